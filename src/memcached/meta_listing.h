// MetaListing: the keys of a memcached node by "lru_crawler metadump", on a connection of its own. Layer: memcached;
// made by meta_node.cc. Belongs to one process and thread.
//
// While a node sends such a list and nobody takes it, memcached 1.6.18 lets a worker thread of its own wait that is
// asked for a second one, and all connections of that thread with it. So a list is taken as fast as it comes, and who
// may be asked for one by several has them take turns.
#ifndef CLUSTERED_SESSION_MEMCACHED_META_LISTING_H_
#define CLUSTERED_SESSION_MEMCACHED_META_LISTING_H_

#include <string>

#include "src/cluster/key_listing.h"
#include "src/memcached/meta_connection.h"

namespace clustered_session {

class MetaListing final : public KeyListing {
 public:
  // Connects to `host`, where the node was reached last. `target` lives longer.
  MetaListing(const NodeTarget& target, const std::string& host);

  State Step(Duration wait, const Take& take) override;

 private:
  void Connect(TimePoint now);
  void Ask(TimePoint now);
  bool Drain(const Take& take);
  State TakeEnd(TimePoint now);

  const NodeTarget& target_;
  const std::string host_;
  MetaConnection connection_;
  bool asked_ = false;    // memcached takes no other command before this one in a flight
  bool by_table_ = true;  // all items by the hash table, which misses none; else by age, as older nodes list them
  ListedKey::Line end_ = ListedKey::Line::kKey;  // the last line that was no key
  TimePoint heard_at_;
  TimePoint left_at_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_LISTING_H_
