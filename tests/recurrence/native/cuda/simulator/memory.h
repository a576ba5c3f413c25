// Shared memory, and the copies into it that are under way.
//
// What nobody has written holds a signalling NaN. The block's memory ends where the process may not
// read or write (fibers), or is a heap block of its own (OS threads), so that the AddressSanitizer
// watches its ends.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace asrnn::simulator {
namespace {

constexpr std::uint32_t kUnwritten = 0x7fa00000;  // a signalling NaN
constexpr unsigned kLargestShared = 227 * 1024;   // bytes a block of sm_90 can have

inline void unwrite(void* from, std::size_t bytes) {
  for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
    std::memcpy(static_cast<char*>(from) + i, &kUnwritten, 4);
  }
}

class SharedMemory {
 public:
  float* base() const { return reinterpret_cast<float*>(base_); }
  std::size_t bytes() const { return bytes_; }

  bool contains(const void* address, std::size_t count) const {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) -
                        reinterpret_cast<std::uintptr_t>(base_);
    return offset <= bytes_ && count <= bytes_ - offset;
  }

#ifdef ASRNN_SIMULATOR_THREADS
  void prepare(std::size_t bytes) {
    bytes_ = bytes;
    base_ = static_cast<char*>(std::aligned_alloc(16, (bytes + 15) / 16 * 16));
    unwrite(base_, bytes);
  }
  void release() { std::free(base_); }
#else
  // The last page before the guard behind the memory; below lie the unused bytes of the room.
  void prepare(std::size_t bytes) {
    if (room_ == nullptr) map();
    bytes_ = bytes;
    base_ = room_ + kGuard + kRoom - (bytes + 15) / 16 * 16;
    unwrite(room_ + kGuard, kRoom);
  }
  void release() {}

  bool guards(const void* address) const {
    const char* at = static_cast<const char*>(address);
    const bool below = at >= room_ && at < room_ + kGuard;
    const bool above = at >= room_ + kGuard + kRoom && at < room_ + 2 * kGuard + kRoom;
    return room_ != nullptr && (below || above);
  }

  // Whether the room around the block's memory is as it was.
  bool surroundings_untouched() const {
    const char* const start = room_ + kGuard;
    const char* const end = start + kRoom;
    return untouched(start, base_) && untouched(base_ + (bytes_ + 3) / 4 * 4, end);
  }

 private:
  static constexpr std::size_t kRoom = 256 * 1024;
  static constexpr std::size_t kGuard = 1024 * 1024;

  static bool untouched(const char* from, const char* to) {
    for (; from < to; from += 4) {
      if (std::memcmp(from, &kUnwritten, 4) != 0) return false;
    }
    return true;
  }

  void map() {
    void* const all = mmap(nullptr, kRoom + 2 * kGuard, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) std::abort();
    room_ = static_cast<char*>(all);
    if (mprotect(room_ + kGuard, kRoom, PROT_READ | PROT_WRITE) != 0) std::abort();
  }

  char* room_ = nullptr;
#endif

 private:
  char* base_ = nullptr;
  std::size_t bytes_ = 0;
};

SharedMemory shared;

// The asynchronous copies of one thread. The hardware may write the slot at any time from issuing
// to awaiting, so its content is undefined in between, and what is never awaited never arrives.
class Prefetches {
 public:
  void clear() {
    copies_.clear();
    groups_.clear();
  }

  void issue(float* slot, const float* global) {
    unwrite(slot, 4);
    copies_.push_back({slot, global});
  }

  void commit() { groups_.push_back(copies_.size() - committed()); }

  // Until at most `pending` of the committed groups are under way: the latest ones.
  void await(std::size_t pending) {
    std::size_t landing = 0, groups = 0;
    while (groups_.size() - groups > pending) landing += groups_[groups++];
    for (std::size_t i = 0; i < landing; ++i) {
      std::memcpy(copies_[i].slot, copies_[i].global, 4);
    }
    copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(landing));
    groups_.erase(groups_.begin(), groups_.begin() + static_cast<std::ptrdiff_t>(groups));
    for (const Copy& copy : copies_) unwrite(copy.slot, 4);  // it may have landed on one of these
  }

 private:
  struct Copy {
    float* slot;
    const float* global;
  };

  std::size_t committed() const {
    std::size_t sum = 0;
    for (const std::size_t group : groups_) sum += group;
    return sum;
  }

  std::vector<Copy> copies_;
  std::vector<std::size_t> groups_;  // how many copies each committed group has, the oldest first
};

}  // namespace
}  // namespace asrnn::simulator
