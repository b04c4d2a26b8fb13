// Commands to a node that knows memcached's meta commands: how they are said, and what the replies say. Layer: cluster.
// Pure; for memcached_flight.cc only.
//
// libmemcached 1.1.4 does not know them, and its "cas" does not tell the new item's token, so that a "gets" behind it has
// to bring the whole item back. Here a store is "cas" or "add" and "mg" without the value: two short lines. The item is
// told from another writer's, who came in between, by its mark. A reply to "mg" also carries the number of its command, so
// that a late one cannot be taken for another's. Why not "ms", which does all that in one: it removes the old item if the
// node has no memory for the new one; and a node that did not know it would take the value for commands. See memcached's
// doc/protocol.txt.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_META_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_META_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/cluster/memcached_answer.h"
#include "src/cluster/memcached_command.h"

namespace clustered_session {

// The text of a command is its line, then its value if it has one, then the rest. REQUIRES: a key that memcached accepts
void AppendLine(const MemcachedCommand& command, uint32_t number, std::string* text);
void AppendRest(const MemcachedCommand& command, uint32_t number, std::string* text);

// The reply to one command at the start of bytes. REQUIRES: HasReply(command)
ReplyScan ScanMetaReply(std::string_view bytes, const MemcachedCommand& command, uint32_t number);

// What is asked on a new connection to find out whether the node knows "mg" as it is used here. REQUIRES: an item of this
// key has been added before on the connection
std::string MetaQuestion(std::string_view key);

// What a node says on a new connection before its first answer.
struct Greeting {
  size_t size = 0;    // in bytes
  bool meta = false;  // it knows meta commands
};

// The greeting at the start of `bytes`: the acknowledgement of a user name and a password, if the connection began with
// them and the node asks for them, then the answer to MetaQuestion(), if that was asked. Never kRefused: an error line
// that is not about the question is for who reads on. Its `size` is where the greeting ends.
AnswerScan ScanGreeting(std::string_view bytes, bool authenticates, bool asked, Greeting* greeting);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_META_H_
