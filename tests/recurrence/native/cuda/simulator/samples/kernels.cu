// Small kernels, right and wrong, for the tests of the simulator.
#include "device.cuh"

#include <cstring>

namespace asrnn {

struct Arguments {
  const float* in;
  float* out;
  int n;
};

// out[block] = the sum of the block's part of `in`.
ASRNN_KERNEL(block_sum, 256, Arguments) {
  float* const sums = shared_memory();
  float sum = p.in[block_index() * 256 + thread_index()];
  ASRNN_UNROLL
  for (int mask = 16; mask > 0; mask /= 2) sum += exchange(sum, mask);
  if (thread_index() % 32 == 0) sums[thread_index() / 32] = sum;
  barrier();
  if (thread_index() == 0) {
    const Quad low = load_quad(sums), high = load_quad(sums + 4);
    p.out[block_index()] = low.x + low.y + low.z + low.w + high.x + high.y + high.z + high.w;
  }
}

// Hands each value to the next warp, with the barrier that this takes or (n = 0) without it.
ASRNN_KERNEL(hand_down, 64, Arguments) {
  float* const held = shared_memory();
  held[thread_index()] = p.in[thread_index()];
  if (p.n) barrier();
  if (thread_index() >= 32) p.out[thread_index() - 32] = held[thread_index() - 32];
}

// Hands each value to the next lane, with an exchange between that orders nothing.
ASRNN_KERNEL(hand_over, 32, Arguments) {
  float* const held = shared_memory();
  held[thread_index()] = p.in[thread_index()];
  const float other = exchange(1.0f, 1);
  p.out[thread_index()] = other * held[thread_index() ^ 1];
}

// out[i] = a weighted sum of n values of each thread, fetched two steps ahead into three slots.
template <int kPending, int kSlots>
ASRNN_DEVICE void weighted_sum(const Arguments& p) {
  float* const slots = shared_memory() + thread_index() * kSlots;
  float sum = 0.0f;
  for (int i = 0; i < p.n + 2; ++i) {
    if (i < p.n) prefetch_if(true, slots + i % kSlots, p.in + i * 32 + thread_index());
    commit_prefetches();
    await_prefetches<kPending>();
    if (i >= 2) sum += static_cast<float>(i) * slots[(i - 2) % kSlots];
  }
  p.out[thread_index()] = sum;
}

ASRNN_KERNEL(ring, 32, Arguments) { weighted_sum<2, 3>(p); }
ASRNN_KERNEL(ring_awaited_too_little, 32, Arguments) { weighted_sum<3, 4>(p); }
ASRNN_KERNEL(ring_of_too_few_slots, 32, Arguments) { weighted_sum<2, 2>(p); }
ASRNN_KERNEL(awaited_by_another, 64, Arguments) {
  float* const slots = shared_memory();
  prefetch_if(true, slots + thread_index(), p.in + thread_index());
  commit_prefetches();
  if (thread_index() < 32) await_prefetches<0>();
  barrier();
  p.out[thread_index()] = slots[thread_index()];
}
// The slots of one warp are read by the other while the next values are on their way into them.
ASRNN_KERNEL(refilled_too_early, 64, Arguments) {
  float* const slot = shared_memory() + thread_index() % 32;
  const bool fetches = thread_index() < 32;
  if (fetches) prefetch_if(true, slot, p.in + thread_index());
  commit_prefetches();
  await_prefetches<0>();
  barrier();
  if (fetches) prefetch_if(true, slot, p.in + thread_index());
  if (!fetches) p.out[thread_index() - 32] = *slot;
}
ASRNN_KERNEL(not_committed, 32, Arguments) {
  prefetch_if(true, shared_memory() + thread_index(), p.in + thread_index());
  await_prefetches<0>();
  p.out[thread_index()] = shared_memory()[thread_index()];
}

ASRNN_KERNEL(await_only, 64, Arguments) {
  await_prefetches<0>();
  p.out[thread_index()] = shared_memory()[thread_index()];
}

ASRNN_KERNEL(copy_shared, 64, Arguments) {
  const float* const shared = shared_memory();
  if (thread_index() < p.n) memcpy(p.out + thread_index(), shared + thread_index(), 4);
}

ASRNN_KERNEL(some_leave, 64, Arguments) {
  barrier();
  if (thread_index() >= p.n) barrier();
}
ASRNN_KERNEL(two_barriers, 64, Arguments) {
  if (thread_index() < p.n) {
    barrier();
  } else {
    barrier();
  }
}
ASRNN_KERNEL(half_a_warp, 64, Arguments) {
  float sum = 1.0f;
  if (thread_index() < p.n) sum += exchange(sum, 1);
  barrier();
  p.out[thread_index()] = sum;
}
ASRNN_KERNEL(two_exchanges, 32, Arguments) {
  float sum = 1.0f;
  if (thread_index() < p.n) {
    sum += exchange(sum, 31);
  } else {
    sum += exchange(sum, 31);
  }
  p.out[thread_index()] = sum;
}

ASRNN_KERNEL(load_quad_at, 32, Arguments) { p.out[0] = load_quad(shared_memory() + p.n).x; }
ASRNN_KERNEL(store_quad_at, 32, Arguments) { store_quad(shared_memory() + p.n, {1, 2, 3, 4}); }
ASRNN_KERNEL(prefetch_at, 32, Arguments) { prefetch_if(true, shared_memory() + p.n, p.in); }
ASRNN_KERNEL(read_at, 32, Arguments) { p.out[0] = shared_memory()[p.n]; }
ASRNN_KERNEL(write_at, 32, Arguments) { shared_memory()[p.n] = 1.0f; }
ASRNN_KERNEL(write_global_at, 32, Arguments) {
  if (thread_index() == 0) p.out[p.n] = 1.0f;
}

ASRNN_KERNEL(exp2_of, 32, Arguments) {
  for (int i = thread_index(); i < p.n; i += 32) p.out[i] = exp2_approximate(p.in[i]);
}
ASRNN_KERNEL(reciprocal_of, 32, Arguments) {
  for (int i = thread_index(); i < p.n; i += 32) p.out[i] = reciprocal_approximate(p.in[i]);
}
ASRNN_KERNEL(half_of, 32, Arguments) {
  for (int i = thread_index(); i < p.n; i += 32) p.out[i] = 0.5f * p.in[i];
}

// out[0] counts the launch's blocks; out[1 + i] is the number of the i-th to run.
ASRNN_KERNEL(order_of_blocks, 32, Arguments) {
  if (thread_index() == 0) {
    p.out[0] += 1.0f;
    p.out[static_cast<int>(p.out[0])] = static_cast<float>(block_index());
  }
}

#ifdef __x86_64__
// Sets the caller's flags for subnormal results (FTZ) and operands (DAZ), as XLA's threads do.
extern "C" __attribute__((visibility("default"))) void flush_to_zero(int on) {
  constexpr unsigned kFlags = 1u << 15 | 1u << 6;
  const unsigned now = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(on ? now | kFlags : now & ~kFlags);
}
#endif

}  // namespace asrnn
