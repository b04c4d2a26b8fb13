// The image of a session in the local store: where it comes from, then the payload. Layer: session. The store keeps it
// as a payload of its own; the ancestry tells at a conflict what this server had seen. Only what is in use is kept: 35
// bytes, 4 for each life and 16 for each interval of writes.
#ifndef CLUSTERED_SESSION_SESSION_IMAGE_H_
#define CLUSTERED_SESSION_SESSION_IMAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/record/ancestry.h"

namespace clustered_session {

class Image {
 public:
  static constexpr size_t kFixedSize = 35;
  static constexpr size_t kHeaderSizeMax = kFixedSize + 2 * LifeSet::kMax * LifeSet::kLifeBytes +
                                           CausalContext::kIntervalsMax * CausalContext::kIntervalBytes;

  // As one without a payload, of nothing; takes no memory.
  Image() = default;

  std::string_view payload() const {
    return bytes_.empty() ? std::string_view() : std::string_view(bytes_).substr(HeaderSize());
  }

  // All but whether it is a tombstone, which the entry says.
  Ancestry ancestry() const {
    Ancestry ancestry;
    ancestry.dot = {LoadLittleEndian<uint32_t>(Header()), LoadLittleEndian<uint64_t>(Header() + 4)};
    ancestry.fingerprint = LoadLittleEndian<uint64_t>(Header() + kDotSize);
    ancestry.lifetime_max_s = LoadLittleEndian<uint32_t>(Header() + 28);
    const char* from = Header() + kFixedSize;
    ancestry.lives.Load(from, Count(kLivesAt));
    from += Count(kLivesAt) * LifeSet::kLifeBytes;
    ancestry.ended.Load(from, Count(kEndedAt));
    from += Count(kEndedAt) * LifeSet::kLifeBytes;
    ancestry.context.Load(from, Count(kIntervalsAt));
    return ancestry;
  }
  // Views of the payload hold no longer than until here, as its place depends on the ancestry.
  void SetAncestry(const Ancestry& ancestry) {
    std::string header(
        kFixedSize + ancestry.lives.stored_size() + ancestry.ended.stored_size() + ancestry.context.stored_size(),
        '\0');
    StoreLittleEndian<uint32_t>(header.data(), ancestry.dot.actor);
    StoreLittleEndian<uint64_t>(header.data() + 4, ancestry.dot.number);
    StoreLittleEndian<uint64_t>(header.data() + kDotSize, ancestry.fingerprint);
    StoreLittleEndian<uint64_t>(header.data() + kSinceAt, since());
    StoreLittleEndian<uint32_t>(header.data() + 28, ancestry.lifetime_max_s);
    header[kLivesAt] = static_cast<char>(ancestry.lives.size());
    header[kEndedAt] = static_cast<char>(ancestry.ended.size());
    header[kIntervalsAt] = static_cast<char>(ancestry.context.size());
    char* to = header.data() + kFixedSize;
    ancestry.lives.Store(to);
    ancestry.ended.Store(to + ancestry.lives.stored_size());
    ancestry.context.Store(to + ancestry.lives.stored_size() + ancestry.ended.stored_size());
    bytes_.replace(0, bytes_.empty() ? 0 : HeaderSize(), header);
  }

  // As Ancestry's.
  uint32_t LifetimeOfEnded() const { return Count(kEndedAt) == 0 ? 0 : LoadLittleEndian<uint32_t>(Header() + 28); }

  // This server has made no write of the session with a number from this one on that is not in the ancestry.
  uint64_t since() const { return LoadLittleEndian<uint64_t>(Header() + kSinceAt); }
  void SetSince(uint64_t since) { StoreLittleEndian<uint64_t>(OwnHeader() + kSinceAt, since); }

  // `payload` may view into this image.
  void SetPayload(std::string_view payload) {
    OwnHeader();
    bytes_.replace(HeaderSize(), std::string::npos, payload);
  }
  // As one that is new, but for the memory it has.
  void Clear() { bytes_.clear(); }

  // What the bytes begin with, and those of no other write of the session do.
  std::string_view dot_bytes() const { return {Header(), kDotSize}; }

  // What the store keeps, and the buffer it copies into.
  const std::string& bytes() {
    OwnHeader();
    return bytes_;
  }
  std::string* buffer() { return &bytes_; }
  // Whether the buffer holds an image; call it after the store has written there.
  bool Valid() const {
    return bytes_.size() >= kFixedSize && Count(kLivesAt) <= LifeSet::kMax && Count(kEndedAt) <= LifeSet::kMax &&
           Count(kIntervalsAt) <= CausalContext::kIntervalsMax && bytes_.size() >= HeaderSize();
  }

 private:
  static constexpr size_t kDotSize = 12;
  static constexpr size_t kSinceAt = 20;
  static constexpr size_t kLivesAt = 32;  // a byte each: how many follow
  static constexpr size_t kEndedAt = 33;
  static constexpr size_t kIntervalsAt = 34;

  const char* Header() const {
    static constexpr char kNone[kFixedSize] = {};
    return bytes_.empty() ? kNone : bytes_.data();
  }
  char* OwnHeader() {
    if (bytes_.empty()) bytes_.assign(kFixedSize, '\0');
    return bytes_.data();
  }
  size_t Count(size_t at) const { return static_cast<uint8_t>(Header()[at]); }
  size_t HeaderSize() const {
    return kFixedSize + (Count(kLivesAt) + Count(kEndedAt)) * LifeSet::kLifeBytes +
           Count(kIntervalsAt) * CausalContext::kIntervalBytes;
  }

  std::string bytes_;  // empty: kFixedSize zeros
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_IMAGE_H_
