// Survey: nodes are asked for one session's record, and their answers are kept until they have been brought into one
// state with what this server has (reconcile.h). Layer: session. Belongs to one read.
#ifndef CLUSTERED_SESSION_SESSION_SURVEY_H_
#define CLUSTERED_SESSION_SESSION_SURVEY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/record/record.h"
#include "src/session/open_scope.h"
#include "src/session/session_address.h"

namespace clustered_session {

class Survey {
 public:
  struct Answer {
    uint32_t node = 0;
    bool found = false;
    // Its payload views into `bytes`; it is empty where an earlier answer, or this server, has the same record.
    Record record;
    std::string bytes;
  };

  // `known`: what this server has. `likely_known`: it is most likely what the nodes have. Writes each answer's token
  // into *items. Nobody is asked after `deadline`, or shortly before it.
  Survey(OpenScope* open, NodeItems* items, const Ancestry& known, bool likely_known, TimePoint deadline)
      : open_(open), items_(items), known_(known), likely_known_(likely_known), deadline_(deadline) {}

  // Asks them all at once: one wait. One of them shows its record, the others by a mark whether theirs is the same. Who
  // has another one is asked for it: one wait more, of at most operation_timeout; if others write meanwhile, more. A
  // claim of the cluster lock that was not granted ends it. Moves the answers that are there.
  void Ask(const std::vector<uint32_t>& nodes);

  // Asks the nodes that have not answered, as those that have are not enough.
  void AskRest();

  const std::vector<Answer>& answers() const { return answers_; }  // of the nodes that answered
  bool Answered(uint32_t node) const;
  bool FoundAny() const;

  // A node that holds a record which only a later version of this program can read, or one with a key file. It has not
  // answered: the session exists, and nobody here can tell how it is.
  struct Unreadable {
    uint32_t node = 0;
    ErrorCode why = ErrorCode::kUnsupported;  // or kNoKey, or kNoCipher
  };
  std::optional<Unreadable> unreadable() const { return unreadable_; }

  // Whether a record was found, or one of the first `copies` nodes has said that there is none, of either list.
  bool Conclusive() const;

  // Whether that there is none may be a loss: those of the first `copies` nodes that have answered have all been
  // without memory less than `lifetime_s` ago, and another of them may still be back. Asks them: one wait more, of at
  // most operation_timeout. A node that has failed for long is not waited for.
  bool MissMayBeLoss(uint32_t lifetime_s);

  // Whether one of `holders` has answered and holds what is past, or nothing.
  bool HasLaggard(const std::vector<uint32_t>& holders, const Ancestry& known) const;

  // Removes what stand-ins hold of the past, if the proper nodes, the first `copies` of the placement, all hold exactly
  // what is known: see Replicator. No wait.
  void RemoveLeftovers(const Ancestry& known);

  // The records that no other one was made from, nor what this server has: the newest, or several branches; the one to
  // show first comes last. Empty if this server knows all there is.
  std::vector<const Answer*> Heads(const Ancestry& known) const;

 private:
  // A node that has told only by which mark its item goes.
  struct Marked {
    uint32_t node = 0;
    NodeToken token;
    uint32_t mark = 0;
  };

  NodeSet::Values ValuesToAsk() const;
  void Take(std::vector<NodeSet::Read> reads);
  void Add(NodeSet::Read read);
  void SettleMarked();
  bool AddSame(const Marked& marked);
  std::vector<uint32_t> TakeDifferent();

  OpenScope* open_;
  NodeItems* items_;
  const Ancestry known_;
  const bool likely_known_;
  const TimePoint deadline_;
  std::vector<Answer> answers_;
  std::vector<Marked> marked_;  // neither the same as a record that is known, nor asked for its own yet
  std::optional<Unreadable> unreadable_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SURVEY_H_
