// Records that are not believed, see bad_record.h. Layer: session.
#include "src/session/bad_record.h"

#include "src/session/shared_state.h"

namespace clustered_session {

bool ReadableElsewhere(const Error& error) {
  return error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kNoKey ||
         error.code() == ErrorCode::kNoCipher;
}

std::string WhyUnreadable(ErrorCode why) {
  switch (why) {
    case ErrorCode::kNoKey:
      return "encrypted: set clustered_session.key_file on this server, too";
    case ErrorCode::kNoCipher:
      return "encrypted by AES, which this server has not: set clustered_session.cipher = xchacha20 on the others";
    default:
      return "in the format of a later clustered_session: upgrade this server";
  }
}

void NoteBadRecord(const SessionContext& context, uint32_t node, const Error& error, const char* outcome,
                   std::vector<Notice>* notices) {
  const std::string label = context.nodes->Label(node);
  Counters& counters = context.store->counters();
  if (error.code() != ErrorCode::kForged) {
    counters.corrupt_records.Add();
    notices->push_back({false, label + ": an item under our key is unreadable (" + error.message() + ") and " +
                                   outcome + "; check that no other program uses this prefix [CS-RECORD-BAD]"});
    return;
  }
  counters.forged_records.Add();
  if (context.shared != nullptr && !context.shared->TellForgeryOf(context.nodes->member(node).hash)) return;
  notices->push_back({false, label + ": a record that no key of clustered_session.key_file has written (" +
                                 error.message() + ") " + outcome +
                                 "; others of this node are only counted, in forged_records [CS-RECORD-FORGED]"});
}

}  // namespace clustered_session
