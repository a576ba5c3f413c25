// The words of the kernel's language on a CPU: the counterpart of the package's device.cuh, of the
// same names and meaning. What the hardware leaves open is decided here against the kernel: see
// fibers.h, os_threads.h (who runs when), memory.h (what shared memory holds), approximate.h.
#pragma once

#include <cmath>

#include "approximate.h"
#include "launch.h"

#define ASRNN_DEVICE static inline
#define ASRNN_METHOD inline
#define ASRNN_UNROLL

// What stands before the body of a kernel. `simulate_<name>` runs a grid of it, one block after the
// other, and returns a CUresult: 0, 1 (refused) or 719 (given up; simulation_failure() says why).
#define ASRNN_KERNEL(name, threads, Arguments)                                                  \
  static void name(const Arguments& p);                                                         \
  extern "C" __attribute__((visibility("default"))) int simulate_##name(                        \
      const void* arguments, unsigned grid, unsigned block, unsigned shared_bytes) {            \
    const auto body = [](const void* given) { name(*static_cast<const Arguments*>(given)); };   \
    return ::asrnn::simulator::launch(#name, body, arguments, grid, block, threads,             \
                                      shared_bytes);                                            \
  }                                                                                             \
  extern "C" __attribute__((visibility("default"))) unsigned launch_bound_##name() {            \
    return threads;                                                                             \
  }                                                                                             \
  static void name([[maybe_unused]] const Arguments& p)

namespace asrnn {

ASRNN_DEVICE int thread_index() { return simulator::current_thread(); }

ASRNN_DEVICE int block_index() { return simulator::block_number; }

// All threads of the block must come to the same barrier, that is the same line.
ASRNN_DEVICE void barrier(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  simulator::wait_at_barrier({file, line});
}

// The value of lane (own ^ mask). All 32 lanes of the warp must come to the same exchange. It
// orders no accesses to memory.
ASRNN_DEVICE float exchange(float value, int mask, const char* file = __builtin_FILE(),
                            int line = __builtin_LINE()) {
  return simulator::exchange_in_warp(value, mask & (simulator::kWarp - 1), {file, line});
}

ASRNN_DEVICE float* shared_memory() { return simulator::shared.base(); }

struct alignas(16) Quad {
  float x, y, z, w;
};

ASRNN_DEVICE Quad load_quad(const float* shared) {
  simulator::check_shared(shared, 16, "load_quad");
  return {shared[0], shared[1], shared[2], shared[3]};
}

ASRNN_DEVICE void store_quad(float* shared, Quad quad) {
  simulator::check_shared(shared, 16, "store_quad");
  shared[0] = quad.x;
  shared[1] = quad.y;
  shared[2] = quad.z;
  shared[3] = quad.w;
}

ASRNN_DEVICE void prefetch_if(bool wanted, float* shared_slot, const float* global) {
  if (!wanted) return;
  simulator::check_shared(shared_slot, 4, "prefetch_if");
  simulator::own_prefetches().issue(shared_slot, global);
}

ASRNN_DEVICE void store_if(bool wanted, float* global, float value) {
  if (wanted) *global = value;
}

ASRNN_DEVICE void commit_prefetches() { simulator::own_prefetches().commit(); }

template <int kPending>
ASRNN_DEVICE void await_prefetches() {
  simulator::own_prefetches().await(kPending);
}

ASRNN_DEVICE float exp2_approximate(float x) { return simulator::exp2_off(x); }

ASRNN_DEVICE float reciprocal_approximate(float x) { return simulator::reciprocal_off(x); }

}  // namespace asrnn
