// The image of a session in the local store: version vector, fingerprint, actor and life, then the payload. Layer:
// session. The store keeps it as a payload of its own; the vector tells at a conflict what this server had seen.
#ifndef CLUSTERED_SESSION_SESSION_IMAGE_H_
#define CLUSTERED_SESSION_SESSION_IMAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/bytes.h"
#include "src/record/version_vector.h"

namespace clustered_session {

class Image {
 public:
  static constexpr size_t kHeaderSize = VersionVector::kBytes + 16;

  Image() : bytes_(kHeaderSize, '\0') {}

  std::string_view payload() const { return std::string_view(bytes_).substr(kHeaderSize); }
  VersionVector vector() const { return VersionVector::Load(bytes_.data()); }
  // Of the record that holds exactly this; 0 if there is none, as after a merge that is not written yet.
  uint64_t fingerprint() const { return LoadLittleEndian<uint64_t>(bytes_.data() + VersionVector::kBytes); }

  // The name under which this server writes the session in version vectors.
  uint32_t actor() const { return LoadLittleEndian<uint32_t>(bytes_.data() + VersionVector::kBytes + 8); }
  uint32_t life() const { return LoadLittleEndian<uint32_t>(bytes_.data() + VersionVector::kBytes + 12); }
  void SetActor(uint32_t actor) { StoreLittleEndian<uint32_t>(bytes_.data() + VersionVector::kBytes + 8, actor); }

  void SetLineage(const VersionVector& vector, uint64_t fingerprint, uint32_t life) {
    vector.Store(bytes_.data());
    StoreLittleEndian<uint32_t>(bytes_.data() + VersionVector::kBytes + 12, life);
    StoreLittleEndian<uint64_t>(bytes_.data() + VersionVector::kBytes, fingerprint);
  }
  // `payload` may view into this image.
  void SetPayload(std::string_view payload) { bytes_.replace(kHeaderSize, std::string::npos, payload); }

  // What the store keeps, and the buffer it copies into.
  const std::string& bytes() const { return bytes_; }
  std::string* buffer() { return &bytes_; }
  // Whether the buffer holds an image; call it after the store has written there.
  bool Valid() const { return bytes_.size() >= kHeaderSize; }

 private:
  std::string bytes_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_IMAGE_H_
