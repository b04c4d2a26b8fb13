// Plans and maps the shared memory. Layer: local.
#include "src/local/segment.h"

#include <sodium.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "src/local/local_store.h"

namespace clustered_session {

namespace {

constexpr size_t kAlign = 64;
constexpr uint32_t kShardsMin = 4;
constexpr uint32_t kShardsMax = 64;        // per arena
constexpr size_t kShardMemory = 1u << 20;  // a shard per so many bytes
constexpr size_t kBucketMemory = 512;      // a bucket per so many bytes: about one entry of a usual size
constexpr size_t kLockNodeMemory = 8192;   // a lock node per so many bytes
constexpr uint32_t kLockNodesMin = 512;
constexpr uint64_t kArenaMemory = uint64_t{32} << 30;  // an arena per so many bytes: its offsets have 32 bits

size_t AlignUp(size_t size) { return (size + kAlign - 1) / kAlign * kAlign; }

// Gives out the segment from its start.
class Planner {
 public:
  explicit Planner(size_t memory) : memory_(memory) {}

  size_t Place(size_t size) {
    const size_t at = next_;
    fits_ = fits_ && size <= memory_ - next_;
    if (fits_) next_ = std::min(AlignUp(next_ + size), memory_);
    return at;
  }
  size_t left() const { return memory_ - next_; }
  bool fits() const { return fits_; }

 private:
  size_t memory_;
  size_t next_ = 0;
  bool fits_ = true;
};

bool InitMutexes(const Segment& segment) {
  SegmentHeader* header = segment.header();
  bool made = header->repair_mutex.Init();
  for (uint32_t i = 0; made && i < segment.geometry.arena_count; ++i) {
    ArenaState* arena = new (segment.arena_state(i)) ArenaState{};
    made = arena->mutex.Init();
  }
  for (uint32_t i = 0; made && i < segment.geometry.shard_count; ++i) {
    Shard* shard = new (segment.shard(i)) Shard{};
    made = shard->mutex.Init();
  }
  for (uint32_t i = 0; made && i < kLockPartitions; ++i) made = segment.partition(i)->mutex.Init();
  for (uint32_t i = 0; made && i < segment.geometry.lock_nodes; ++i) made = segment.node(i)->mutex.Init();
  return made;
}

}  // namespace

Result<Geometry> PlanSegment(size_t memory, size_t shared_extra) {
  if (memory < LocalStore::kMemoryMin) {
    return Error(ErrorCode::kInvalidArgument, "local_memory must be at least " +
                                                  std::to_string(LocalStore::kMemoryMin) + " bytes, is " +
                                                  std::to_string(memory));
  }
  if (memory > LocalStore::kMemoryMax) {
    return Error(ErrorCode::kInvalidArgument, "local_memory must be at most " + std::to_string(LocalStore::kMemoryMax) +
                                                  " bytes, is " + std::to_string(memory));
  }
  Geometry plan;
  plan.memory = memory / kAlign * kAlign;
  plan.arena_count = static_cast<uint32_t>(std::bit_ceil((plan.memory + kArenaMemory - 1) / kArenaMemory));
  const size_t shards = std::bit_floor(plan.memory / plan.arena_count / kShardMemory);
  plan.shard_count = plan.arena_count * static_cast<uint32_t>(std::clamp<size_t>(shards, kShardsMin, kShardsMax));
  const size_t buckets = std::bit_floor(plan.memory / kBucketMemory / plan.shard_count);
  plan.shard_buckets = static_cast<uint32_t>(std::min<size_t>(buckets, size_t{1} << 24));
  plan.lock_nodes =
      static_cast<uint32_t>(std::clamp<size_t>(plan.memory / kLockNodeMemory, kLockNodesMin, kLockNodesMax));
  plan.extra_size = shared_extra;

  const size_t table_bytes = size_t{plan.shard_count} * plan.shard_buckets * sizeof(uint32_t);
  Planner planner(plan.memory);
  planner.Place(sizeof(SegmentHeader));
  plan.extra = planner.Place(shared_extra);
  plan.shards = planner.Place(plan.shard_count * sizeof(Shard));
  plan.arena_states = planner.Place(plan.arena_count * sizeof(ArenaState));
  plan.buckets = planner.Place(table_bytes);
  plan.shard_expiries = static_cast<uint32_t>(ExpiryTree::SlotsFor(plan.shard_buckets / kBucketsPerExpiry));
  plan.expiries = planner.Place(size_t{plan.shard_count} * plan.shard_expiries * sizeof(ExpiryTree::Slot));
  plan.partitions = planner.Place(kLockPartitions * sizeof(LockPartition));
  plan.nodes = planner.Place(plan.lock_nodes * sizeof(LockNode));
  // More than what is left will need.
  plan.used_map_bytes = AlignUp(planner.left() / plan.arena_count / kUnitBytes / 8 + 2 * sizeof(uint64_t));
  plan.ghosts = planner.Place(std::max(table_bytes, plan.arena_count * plan.used_map_bytes));
  plan.arena = planner.Place(0);
  plan.arena_units = static_cast<uint32_t>(planner.left() / plan.arena_count / kUnitBytes);
  if (!planner.fits() || size_t{plan.arena_units} * kUnitBytes < LocalStore::kMemoryMin / 2) {
    return Error(ErrorCode::kInvalidArgument, "local_memory of " + std::to_string(memory) +
                                                  " bytes leaves no room for sessions beside " +
                                                  std::to_string(shared_extra) + " bytes of other shared state");
  }
  return plan;
}

Result<Segment> MapSegment(const Geometry& geometry) {
  void* base = mmap(nullptr, geometry.memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    return Error(ErrorCode::kNoMemory, "local_memory of " + std::to_string(geometry.memory) +
                                           " bytes cannot be mapped: " + std::strerror(errno));
  }
  // Both only better things where the system has them: fewer TLB misses, no sessions in core dumps.
  (void)madvise(base, geometry.memory, MADV_HUGEPAGE);
  (void)madvise(base, geometry.memory, MADV_DONTDUMP);
  Result<Segment> segment = MakeSegment(geometry, base);
  if (!segment.ok()) munmap(base, geometry.memory);
  return segment;
}

Result<Segment> MakeSegment(const Geometry& geometry, void* base) {
  if (sodium_init() < 0) return Error(ErrorCode::kInternal, "libsodium has no source of random numbers");
  Segment segment;
  segment.geometry = geometry;
  segment.base = static_cast<std::byte*>(base);
  SegmentHeader* header = new (base) SegmentHeader{};
  header->layout_version = kLayoutVersion;
  header->header_size = sizeof(SegmentHeader);
  header->memory = geometry.memory;
  while (header->instance == 0) randombytes_buf(&header->instance, sizeof header->instance);
  if (!InitMutexes(segment)) {
    return Error(ErrorCode::kInternal, "this system has no robust mutexes between processes");
  }
  header->needs_repair = 1;  // until the arenas are built
  return segment;
}

// Blocks of lines: first "<from>-<to> <permissions> ..." of a mapping in hexadecimal, then "<Name>: <number> kB" each.
size_t HugePageBytes(const char* smaps, const void* base, size_t size) {
  std::FILE* file = std::fopen(smaps, "re");
  if (file == nullptr) return 0;
  const auto start = reinterpret_cast<uintptr_t>(base);
  bool ours = false;
  size_t kilobytes = 0;
  char line[512];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long from = 0;
    unsigned long long to = 0;
    unsigned long long number = 0;
    if (std::sscanf(line, "%llx-%llx ", &from, &to) == 2) {
      ours = from >= start && from - start < size;
    } else if (ours && std::sscanf(line, "ShmemPmdMapped: %llu kB", &number) == 1) {
      kilobytes += number;
    }
  }
  std::fclose(file);
  return std::min(kilobytes * 1024, size);
}

void UnmapSegment(const Segment& segment) { munmap(segment.base, segment.geometry.memory); }

}  // namespace clustered_session
