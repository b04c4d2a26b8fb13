// VersionVector: which writes a record was made from, so that two records can be told apart as earlier and later or as
// branches that have to be merged. Layer: record. Pure; value type.
//
// A plain counter cannot tell: a server that was cut off from a node writes version 5 elsewhere while another writes a
// version 5 there, and the higher of the two that follow would silently win. One slot per writer (a server between two
// starts), as in Dynamo (DeCandia et al., SOSP 2007), with few slots, as few servers write one session: when they are
// used up, the one with the lowest version goes, and a Bloom filter of 96 bits keeps who has gone. A write below all
// slots counts as known if its writer is in there.
#ifndef CLUSTERED_SESSION_RECORD_VERSION_VECTOR_H_
#define CLUSTERED_SESSION_RECORD_VERSION_VECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace clustered_session {

class VersionVector {
 public:
  static constexpr size_t kSlots = 16;
  static constexpr size_t kSlotBytes = 8;
  static constexpr size_t kBytes = kSlots * kSlotBytes;  // as stored, little-endian, the last writer first
  static constexpr size_t kDroppedBytes = 12;

  // The writer's next write: its slot becomes `version`. `actor` is not 0.
  void Advance(uint32_t actor, uint64_t version);

  // Makes this cover `other` as well: the larger version of each actor.
  void Absorb(const VersionVector& other);

  // Whether everything that `other` was made from, itself included, is in this one.
  bool Covers(const VersionVector& other) const;

  // The same, but a writer whose slot may have been dropped does not count as known: neither one that this may have
  // dropped, nor one that `other` has.
  bool SurelyCovers(const VersionVector& other) const;

  // The one that is right for `other`: what only this server has, as no node has acknowledged it, must not count as
  // known by mistake.
  bool Covers(const VersionVector& other, bool only_here) const {
    return only_here ? SurelyCovers(other) : Covers(other);
  }

  // The Bloom filter of the writers whose slots were dropped, kDroppedBytes as stored beside the slots.
  void StoreDropped(char* to) const;
  void LoadDropped(const char* from);

  // How many slots are in use; they come first.
  size_t used() const;
  bool empty() const { return slots_[0].actor == 0; }

  void Store(char* to) const;
  static VersionVector Load(const char* from);

  friend bool operator==(const VersionVector&, const VersionVector&) = default;

 private:
  struct Slot {
    uint32_t actor = 0;  // 0 = free; free slots are last
    uint32_t version = 0;
    friend bool operator==(const Slot&, const Slot&) = default;
  };

  using Filter = std::array<uint32_t, kDroppedBytes / 4>;

  static void Add(uint32_t actor, Filter* filter);
  static bool Contains(const Filter& filter, const Filter& part);
  const Slot* Find(uint32_t actor) const;
  bool full() const { return slots_[kSlots - 1].actor != 0; }
  bool MayHaveDropped(const Slot& slot) const;
  bool MayCoverDropped(const VersionVector& other) const;
  uint32_t LowestVersion() const;
  void Insert(Slot slot);

  std::array<Slot, kSlots> slots_{};
  Filter dropped_{};
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_VERSION_VECTOR_H_
