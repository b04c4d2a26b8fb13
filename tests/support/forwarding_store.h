// A local store that hands everything on to another one, for tests that change a part of it. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FORWARDING_STORE_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FORWARDING_STORE_H_

#include "src/local/local_store.h"

namespace clustered_session {

class ForwardingStore : public LocalStore {
 public:
  explicit ForwardingStore(LocalStore* store) : store_(store) {}  // which outlives this one
  LookupResult Lookup(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return store_->Lookup(key, now, entry, payload);
  }
  LookupResult Peek(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return store_->Peek(key, now, entry, payload);
  }
  bool Walk(WalkPosition* position, size_t limit, std::vector<Walked>* found) override {
    return store_->Walk(position, limit, found);
  }
  LookupResult LookupOver(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
    return store_->LookupOver(key, now, entry, payload);
  }
  Status Put(const SessionKey& key, const Entry& entry, std::string_view payload, TimePoint now) override {
    return store_->Put(key, entry, payload, now);
  }
  bool Update(const SessionKey& key, const Entry& expected, std::string_view begins, const Entry& entry) override {
    return store_->Update(key, expected, begins, entry);
  }
  bool Erase(const SessionKey& key) override { return store_->Erase(key); }
  std::vector<Unreplicated> ListUnreplicated(size_t limit) override { return store_->ListUnreplicated(limit); }
  std::bitset<256> PoolsInUse() override { return store_->PoolsInUse(); }
  size_t UnreplicatedCount() const override { return store_->UnreplicatedCount(); }
  size_t RemoveExpired(TimePoint now, size_t limit) override { return store_->RemoveExpired(now, limit); }
  size_t PayloadMax() const override { return store_->PayloadMax(); }
  Usage GetUsage() const override { return store_->GetUsage(); }
  size_t HugeMemory() const override { return store_->HugeMemory(); }
  Counters& counters() override { return store_->counters(); }
  SessionLocks& locks() override { return store_->locks(); }
  uint64_t instance() const override { return store_->instance(); }
  uint64_t NextNumber() override { return store_->NextNumber(); }
  void* Extra() override { return store_->Extra(); }

 private:
  LocalStore* store_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FORWARDING_STORE_H_
