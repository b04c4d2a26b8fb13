// LifeSet: a few lives of one session ID. Layer: record. Pure; value type.
// A life goes from an ID's first write to its destruction. The first life under an ID always has the same name; later
// ones have random names, and each record names the lives that ended before it.
#ifndef CLUSTERED_SESSION_RECORD_LIFE_SET_H_
#define CLUSTERED_SESSION_RECORD_LIFE_SET_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "src/base/bytes.h"

namespace clustered_session {

class LifeSet {
 public:
  static constexpr size_t kMax = 8;
  static constexpr size_t kLifeBytes = 4;

  LifeSet() = default;
  explicit LifeSet(uint32_t life) { Add(life); }

  // The latest one; it is not 0. False: the oldest one had to go.
  bool Add(uint32_t life) {
    if (Contains(life)) return true;
    const bool fits = size_ < kMax;
    if (!fits) std::move(lives_.begin() + 1, lives_.end(), lives_.begin());
    size_ = fits ? size_ + 1 : kMax;
    lives_[size_ - 1] = life;
    return fits;
  }
  // They are the latest. False: the oldest ones had to go.
  bool AddAll(const LifeSet& latest) {
    bool all = true;
    for (const uint32_t life : latest) all &= Add(life);
    return all;
  }
  // Takes over what another one has gathered. Without room for all, the latest of both stay. False: some had to go.
  bool Absorb(const LifeSet& other) {
    const LifeSet more = other.Without(*this);
    if (size_ + more.size_ <= kMax) return AddAll(more);
    LifeSet latest;
    for (size_t back = 1; latest.size_ < kMax; ++back) {
      if (back <= size_) latest.lives_[kMax - ++latest.size_] = lives_[size_ - back];
      if (back <= more.size_ && latest.size_ < kMax)
        latest.lives_[kMax - ++latest.size_] = more.lives_[more.size_ - back];
    }
    *this = latest;
    return false;
  }

  bool Contains(uint32_t life) const { return std::find(begin(), end(), life) != end(); }
  bool Includes(const LifeSet& other) const {
    return std::all_of(other.begin(), other.end(), [this](uint32_t life) { return Contains(life); });
  }
  bool Meets(const LifeSet& other) const {
    return std::any_of(other.begin(), other.end(), [this](uint32_t life) { return Contains(life); });
  }

  LifeSet Without(const LifeSet& other) const {
    LifeSet rest;
    for (const uint32_t life : *this) {
      if (!other.Contains(life)) rest.Add(life);
    }
    return rest;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t stored_size() const { return size_ * kLifeBytes; }
  void Store(char* to) const {
    for (size_t i = 0; i < size_; ++i) StoreLittleEndian<uint32_t>(to + i * kLifeBytes, lives_[i]);
  }
  // False if these are no lives. `from` has count * kLifeBytes bytes.
  bool Load(const char* from, size_t count) {
    if (count > kMax) return false;
    size_ = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto life = LoadLittleEndian<uint32_t>(from + i * kLifeBytes);
      if (life == 0 || Contains(life)) return false;
      lives_[size_++] = life;
    }
    return true;
  }

  friend bool operator==(const LifeSet& a, const LifeSet& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  const uint32_t* begin() const { return lives_.data(); }
  const uint32_t* end() const { return lives_.data() + size_; }

  std::array<uint32_t, kMax> lives_{};  // the oldest first
  size_t size_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_LIFE_SET_H_
