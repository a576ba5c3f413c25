// A launch: what is refused, and the blocks one after the other.
#pragma once

#include <cfenv>
#include <cstdio>
#include <mutex>

#ifdef ASRNN_SIMULATOR_THREADS
#include "os_threads.h"
#else
#include "fibers.h"
#endif

namespace asrnn::simulator {
namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kLaunchFailed = 719;  // of CUresult

std::mutex one_launch;  // the simulator's state is the library's

// An access of the kernel, aligned to its own size, must lie in the block's shared memory.
inline void check_shared(const void* address, std::size_t bytes, const char* who) {
  const auto offset = static_cast<const char*>(address) -
                      reinterpret_cast<const char*>(shared.base());
  if (!shared.contains(address, bytes)) {
    say("thread %d: %s at byte %td of %zu bytes of shared memory", current_thread(), who, offset,
        shared.bytes());
    leave();
  }
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) {
    say("thread %d: %s at byte %td of shared memory, not a multiple of %zu", current_thread(), who,
        offset, bytes);
    leave();
  }
}

inline int launch(const char* name, void (*body)(const void*), const void* arguments, unsigned grid,
                  unsigned block, unsigned bound, unsigned shared_bytes) {
  const std::lock_guard<std::mutex> alone(one_launch);
  forget_failure();
  if (grid == 0 || block == 0 || block > bound || bound > kMostThreads ||
      shared_bytes > kLargestShared) {
    std::snprintf(failure, sizeof failure,
                  "grid %u, block %u (at most %u), %u bytes of shared memory (at most %u)", grid,
                  block, bound, shared_bytes, kLargestShared);
    return kInvalidValue;
  }
  std::fenv_t environment;
  std::fegetenv(&environment);
  std::fesetenv(FE_DFL_ENV);  // the caller may flush subnormal numbers to zero; the GPU does not
  bool whole = true;
  for (unsigned position = 0; position < grid && whole; ++position) {
    block_number = block_at(static_cast<int>(position), static_cast<int>(grid));
    shared.prepare(shared_bytes);
    whole = run_block(body, arguments, static_cast<int>(block));
    shared.release();
  }
  std::fesetenv(&environment);
  if (whole) return kSuccess;
  std::fprintf(stderr, "asrnn simulator: %s: %s\n", name, failure);
  return kLaunchFailed;
}

}  // namespace
}  // namespace asrnn::simulator

// Why the last launch of this library was refused or given up, in one line.
extern "C" __attribute__((visibility("default"))) const char* simulation_failure() {
  return asrnn::simulator::failure;
}
