// Session::Survey: what asking some nodes has shown. Layer: session; for the read path and the survey path only.
#ifndef CLUSTERED_SESSION_SESSION_SURVEY_H_
#define CLUSTERED_SESSION_SESSION_SURVEY_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "src/session/session.h"

namespace clustered_session {

struct Session::Survey {
  struct Answer {
    uint32_t node = 0;
    bool found = false;
    Record record;  // its payload views into `bytes`
    std::string bytes;
  };
  std::vector<Answer> answers;  // of the nodes that answered

  bool Asked(uint32_t node) const {
    return std::any_of(answers.begin(), answers.end(), [node](const Answer& answer) { return answer.node == node; });
  }

  // The records that no other one was made from, nor what this server has: the newest, or several branches; the one to
  // show first comes last. Empty if this server knows all there is.
  std::vector<const Answer*> Heads(const Ancestry& known) const {
    std::vector<const Answer*> heads;
    for (const Answer& answer : answers) {
      if (!answer.found) continue;
      const Lineage to_known = LineageOf(answer.record, known);
      if (to_known == Lineage::kSame || to_known == Lineage::kAncestor) continue;
      const bool surpassed = std::any_of(answers.begin(), answers.end(), [&](const Answer& other) {
        if (&other == &answer || !other.found) return false;
        const Lineage lineage = LineageOf(answer.record, AncestryOf(other.record));
        return lineage == Lineage::kAncestor || (lineage == Lineage::kSame && &other < &answer);
      });
      if (!surpassed) heads.push_back(&answer);
    }
    std::sort(heads.begin(), heads.end(),
              [](const Answer* a, const Answer* b) { return a->record.order() < b->record.order(); });
    return heads;
  }
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SURVEY_H_
