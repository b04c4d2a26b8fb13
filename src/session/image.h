// The image of a session in the local store: fingerprint, actor, life and version vector, then the payload. Layer:
// session. The store keeps it as a payload of its own; the vector tells at a conflict what this server had seen. Only
// its slots that are in use are kept: 29 bytes and 8 for each writer.
#ifndef CLUSTERED_SESSION_SESSION_IMAGE_H_
#define CLUSTERED_SESSION_SESSION_IMAGE_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/record/version_vector.h"

namespace clustered_session {

class Image {
 public:
  static constexpr size_t kHeaderSizeMax = 29 + VersionVector::kBytes;

  // As one without a payload, of no record; takes no memory.
  Image() = default;

  std::string_view payload() const {
    return bytes_.empty() ? std::string_view() : std::string_view(bytes_).substr(HeaderSize());
  }
  VersionVector vector() const {
    char slots[VersionVector::kBytes] = {};
    std::memcpy(slots, Header() + kFixedSize, HeaderSize() - kFixedSize);
    VersionVector vector = VersionVector::Load(slots);
    vector.LoadDropped(Header() + kDroppedAt);
    return vector;
  }
  // Of the record that holds exactly this; 0 if there is none, as after a merge that is not written yet.
  uint64_t fingerprint() const { return LoadLittleEndian<uint64_t>(Header()); }

  // The name under which this server writes the session in version vectors.
  uint32_t actor() const { return LoadLittleEndian<uint32_t>(Header() + 8); }
  uint32_t life() const { return LoadLittleEndian<uint32_t>(Header() + 12); }
  void SetActor(uint32_t actor) { StoreLittleEndian<uint32_t>(OwnHeader() + 8, actor); }

  // Views of the payload hold no longer than until here, as its place depends on the number of slots.
  void SetLineage(const VersionVector& vector, uint64_t fingerprint, uint32_t life) {
    char slots[VersionVector::kBytes];
    vector.Store(slots);
    const size_t used = vector.used();
    OwnHeader();
    bytes_.replace(kFixedSize, HeaderSize() - kFixedSize, slots, used * VersionVector::kSlotBytes);
    bytes_[kSlotsAt] = static_cast<char>(used);
    vector.StoreDropped(bytes_.data() + kDroppedAt);
    StoreLittleEndian<uint32_t>(bytes_.data() + 12, life);
    StoreLittleEndian<uint64_t>(bytes_.data(), fingerprint);
  }
  // `payload` may view into this image.
  void SetPayload(std::string_view payload) {
    OwnHeader();
    bytes_.replace(HeaderSize(), std::string::npos, payload);
  }
  // As one that is new, but for the memory it has.
  void Clear() { bytes_.clear(); }

  // What the store keeps, and the buffer it copies into.
  const std::string& bytes() {
    OwnHeader();
    return bytes_;
  }
  std::string* buffer() { return &bytes_; }
  // Whether the buffer holds an image; call it after the store has written there.
  bool Valid() const {
    return bytes_.size() >= kFixedSize && static_cast<uint8_t>(bytes_[kSlotsAt]) <= VersionVector::kSlots &&
           bytes_.size() >= HeaderSize();
  }

 private:
  static constexpr size_t kSlotsAt = 16;    // a byte: how many slots follow
  static constexpr size_t kDroppedAt = 17;  // who has lost a slot
  static constexpr size_t kFixedSize = kDroppedAt + VersionVector::kDroppedBytes;

  const char* Header() const {
    static constexpr char kNone[kFixedSize] = {};
    return bytes_.empty() ? kNone : bytes_.data();
  }
  char* OwnHeader() {
    if (bytes_.empty()) bytes_.assign(kFixedSize, '\0');
    return bytes_.data();
  }
  size_t HeaderSize() const {
    return kFixedSize + static_cast<uint8_t>(Header()[kSlotsAt]) * VersionVector::kSlotBytes;
  }

  std::string bytes_;  // empty: kFixedSize zeros
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_IMAGE_H_
