// Records on nodes that are not believed, or not to be read here: which they are, and what is said of them. Layer:
// session. Any thread.
#ifndef CLUSTERED_SESSION_SESSION_BAD_RECORD_H_
#define CLUSTERED_SESSION_SESSION_BAD_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/session/context.h"

namespace clustered_session {

// Whether RecordCodec::Decode() says by this that there is a record which another server can read: one of a later
// version, or one with a key file. It must not be overwritten.
bool ReadableElsewhere(const Error& error);

// Why it is not readable here, behind "holds this session".
std::string WhyUnreadable(ErrorCode why);

// Counts a record that is not believed, and says so: of forged ones the first of each node. `outcome`: what becomes of
// it, such as "counts as missing".
void NoteBadRecord(const SessionContext& context, uint32_t node, const Error& error, const char* outcome,
                   std::vector<Notice>* notices);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_BAD_RECORD_H_
