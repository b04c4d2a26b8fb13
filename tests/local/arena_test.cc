// The arena and the payloads in it, on ordinary memory.
#include "src/local/arena.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "src/local/payload.h"
#include "src/local/segment.h"

namespace clustered_session {

namespace {

struct ArenaFixture {
  explicit ArenaFixture(uint32_t units)
      : memory(units),
        arena(&control, memory.data()->bytes, units, &needs_repair,
              UndoLog(&undo, memory.data()->bytes, memory.size() * kUnitBytes)) {
    arena.Clear();
    arena.AddFree(1, units - 2);
  }
  struct alignas(kUnitBytes) Unit {
    std::byte bytes[kUnitBytes];
  };
  std::vector<Unit> memory;
  ArenaControl control{};
  UndoRecords<kArenaUndoBytes> undo{};
  std::atomic<uint32_t> needs_repair{0};
  Arena arena;
};

}  // namespace

TEST_CASE("the arena's blocks never overlap, and freed ones merge to the whole again", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr uint32_t kUnits = 5000;
  ArenaFixture fixture(kUnits);
  std::map<uint32_t, uint32_t> blocks;  // offset to units
  for (int step = 0; step < 20000; ++step) {
    if (random() % 5 < 3 || blocks.empty()) {
      const uint32_t units = 1 + random() % (random() % 8 == 0 ? 600 : 24);
      const uint32_t offset = fixture.arena.Allocate(units);
      if (offset == 0) {
        blocks.erase(blocks.begin());
        fixture.arena.Clear();
        uint32_t from = 1;  // rebuild from what is known, as the repair does
        for (const auto& [used, used_units] : blocks) {
          if (used > from) fixture.arena.AddFree(from, used - from);
          if (used == from) fixture.arena.SetBeforeFree(used, false);
          from = used + used_units;
        }
        if (from < kUnits - 1) fixture.arena.AddFree(from, kUnits - 1 - from);
      } else {
        REQUIRE(fixture.arena.Units(offset) == units);
        const auto after = blocks.lower_bound(offset);
        REQUIRE((after == blocks.end() || offset + units <= after->first));
        REQUIRE((after == blocks.begin() || std::prev(after)->first + std::prev(after)->second <= offset));
        blocks[offset] = units;
      }
    } else {
      auto block = blocks.begin();
      std::advance(block, random() % blocks.size());
      fixture.arena.Free(block->first);
      blocks.erase(block);
    }
    if (step % 50 == 0) {
      const char* wrong = fixture.arena.Check();
      CAPTURE(step, wrong == nullptr ? "" : wrong);
      REQUIRE(wrong == nullptr);
    }
  }
  for (const auto& block : blocks) fixture.arena.Free(block.first);
  REQUIRE(fixture.arena.Check() == nullptr);
  REQUIRE(fixture.needs_repair == 0);
  REQUIRE(fixture.arena.free_units() == kUnits - 2);
  REQUIRE(fixture.arena.Allocate(kUnits - 2) == 1);
}

TEST_CASE("a payload fits in pieces where no free block is large enough", "[local]") {
  ArenaFixture fixture(4096);
  // Every second block of 1.5 KB is free: half of the memory, and none of it in one piece.
  std::vector<uint32_t> blocks;
  while (const uint32_t offset = fixture.arena.Allocate(96)) blocks.push_back(offset);
  for (size_t i = 0; i < blocks.size(); i += 2) fixture.arena.Free(blocks[i]);
  Payloads payloads(fixture.arena);
  const uint64_t free_units = fixture.arena.free_units();

  std::string bytes(28000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i / 7);
  uint32_t first = 0;
  payloads.Allocate(bytes.size(), kPieceBytesUsual, &first);
  REQUIRE(first != 0);
  payloads.Write(first, bytes, Payloads::SumOf(bytes, 7));
  const Payloads::Shape shape = payloads.ShapeOf(first);
  REQUIRE(shape.size == bytes.size());
  REQUIRE(shape.pieces > 15);
  REQUIRE(shape.units == free_units - fixture.arena.free_units());
  REQUIRE(payloads.Verify(first, bytes.size(), 7));
  REQUIRE_FALSE(payloads.Verify(first, bytes.size(), 8));
  std::string copy(bytes.size(), '\0');
  uint32_t sum = 0;
  REQUIRE(payloads.InOnePiece(first, &sum).empty());
  REQUIRE(payloads.Read(first, copy.data(), copy.size(), &sum));
  REQUIRE(copy == bytes);

  // What does not fit leaves nothing behind.
  const uint64_t left = fixture.arena.free_units();
  uint32_t none = 0;
  payloads.Allocate(static_cast<size_t>(left) * kUnitBytes - 20, kPieceBytesUsual, &none);
  REQUIRE(none == 0);
  REQUIRE(fixture.arena.free_units() == left);
  payloads.Free(&first);
  REQUIRE(fixture.arena.free_units() == free_units);
  REQUIRE(fixture.arena.Check() == nullptr);
}

TEST_CASE("every payload size comes back as it was", "[local]") {
  ArenaFixture fixture(4096);
  Payloads payloads(fixture.arena);
  for (size_t size = 1; size < 600; ++size) {
    const std::string bytes(size, static_cast<char>('a' + size % 26));
    uint32_t first = 0;
    payloads.Allocate(size, kPieceBytesUsual, &first);
    payloads.Write(first, bytes, 1);
    REQUIRE(payloads.ShapeOf(first).size == size);
    REQUIRE(payloads.ShapeOf(first).units == Payloads::UnitsFor(size));
    uint32_t sum = 0;
    REQUIRE(payloads.InOnePiece(first, &sum) == bytes);
    REQUIRE(sum == 1);
    payloads.Free(&first);
  }
  REQUIRE(fixture.arena.free_units() == 4094);
}

TEST_CASE("a block and the payload behind it are freed one by one", "[local]") {
  ArenaFixture fixture(4096);
  Payloads payloads(fixture.arena);
  uint32_t first = 0;
  uint32_t front = 0;
  payloads.AllocateBehind(8, 1000, &front, &first);
  REQUIRE(front != 0);
  REQUIRE(first == front + 8);
  REQUIRE(fixture.arena.Units(front) == 8);
  REQUIRE(payloads.ShapeOf(first).size == 1000);
  REQUIRE(4094 - fixture.arena.free_units() == 8 + Payloads::UnitsFor(1000));
  REQUIRE(fixture.arena.Check() == nullptr);
  fixture.arena.Free(front);
  REQUIRE(fixture.arena.Check() == nullptr);
  REQUIRE(payloads.ShapeOf(first).size == 1000);
  payloads.Free(&first);
  REQUIRE(fixture.arena.Check() == nullptr);
  REQUIRE(fixture.arena.free_units() == 4094);
  front = 0;
  payloads.AllocateBehind(8, 4094 * kUnitBytes, &front, &first);
  REQUIRE(front == 0);
}

}  // namespace clustered_session
