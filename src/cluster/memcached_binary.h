// Commands in memcached's binary protocol, which SASL takes: how they are said, and what the replies say. Layer: cluster.
// Pure; for memcached_flight.cc and memcached_sasl.cc only.
//
// Each command has a reply, in the order of the commands, that carries the command's number: there is nothing to guess
// about what was answered and what was not. Quiet commands, which are answered only if they fail, are not used. A
// conditional store is "replace" with the token: a "set" whose item the node has no room for, or finds too large, removes
// the old item without a look at the token. See memcached's protocol_binary.h and proto_bin.c.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_BINARY_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_BINARY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/cluster/memcached_answer.h"
#include "src/cluster/memcached_command.h"

namespace clustered_session {

// A command but for its value, which follows if it has one. REQUIRES: a key that memcached accepts
void AppendBinary(const MemcachedCommand& command, uint32_t number, std::string* text);

// The user name and the password, readable (SASL PLAIN).
void AppendBinaryLogin(std::string_view username, std::string_view password, uint32_t number, std::string* text);
// Removes the item if it is the one that `cas` names.
void AppendBinaryRemove(std::string_view key, uint64_t cas, uint32_t number, std::string* text);
void AppendBinarySettings(uint32_t number, std::string* text);

ReplyScan ScanBinaryReply(std::string_view bytes, const MemcachedCommand& command, uint32_t number);

// The reply to a login, an offer or a removal, whose outcome nobody waits for, unless the login was refused; more may
// follow it. A node that knows no SASL asks for no password, which is as good.
AnswerScan ScanBinaryOwed(std::string_view bytes, uint32_t number);

// The answer to AppendBinarySettings(), with nothing behind it. `item_size_max` receives bytes, or stays as it is if not
// named.
AnswerScan ScanBinarySettings(std::string_view bytes, uint32_t number, uint64_t* item_size_max);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_BINARY_H_
