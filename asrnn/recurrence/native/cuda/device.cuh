// All words of CUDA that the kernels use. The tests compile the kernels for the CPU with another
// header of this name.
//
// A kernel is compiled for one block on a multiprocessor: not that there could not be more, but the
// compiler would otherwise save registers, and wait for each read of shared memory.

#ifndef ASRNN_CUDA_DEVICE_CUH_
#define ASRNN_CUDA_DEVICE_CUH_

#define ASRNN_DEVICE static __device__ __forceinline__
#define ASRNN_METHOD __device__ __forceinline__
#define ASRNN_UNROLL _Pragma("unroll")
#define ASRNN_KERNEL(name, threads, Arguments) \
  extern "C" __global__ void __launch_bounds__(threads, 1) name(const __grid_constant__ Arguments p)

namespace asrnn {

struct alignas(16) Quad {
  float x, y, z, w;
};

ASRNN_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
ASRNN_DEVICE int block_index() { return static_cast<int>(blockIdx.x); }

// Waits for all threads of the block.
ASRNN_DEVICE void barrier() { __syncthreads(); }

// The value of the thread of the same warp whose number differs in the bits of the mask.
ASRNN_DEVICE float exchange(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

// The block's dynamic shared memory.
ASRNN_DEVICE float* shared_memory() {
  extern __shared__ Quad asrnn_shared[];
  return reinterpret_cast<float*>(asrnn_shared);
}

ASRNN_DEVICE Quad load_quad(const float* shared) { return *reinterpret_cast<const Quad*>(shared); }
ASRNN_DEVICE void store_quad(float* shared, Quad quad) { *reinterpret_cast<Quad*>(shared) = quad; }

// Copies a float from global to shared memory some time until its group is awaited; without a
// branch, around which the compiler would move nothing.
ASRNN_DEVICE void prefetch_if(bool wanted, float* shared, const float* global) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile(
      "{.reg .pred wanted; setp.ne.s32 wanted, %2, 0;"
      " @wanted cp.async.ca.shared.global [%0], [%1], 4;}" ::"r"(address),
      "l"(global), "r"(static_cast<int>(wanted))
      : "memory");
}

// Writes a float to global memory, without a branch either.
ASRNN_DEVICE void store_if(bool wanted, float* global, float value) {
  asm volatile(
      "{.reg .pred wanted; setp.ne.s32 wanted, %2, 0;"
      " @wanted st.global.f32 [%0], %1;}" ::"l"(global),
      "f"(value), "r"(static_cast<int>(wanted))
      : "memory");
}

// Closes a group of this thread's copies.
ASRNN_DEVICE void commit_prefetches() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most the last kPending groups of this thread are under way.
template <int kPending>
ASRNN_DEVICE void await_prefetches() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// 2^x and 1/x to within 2^-22 and one unit in the last place; what is subnormal counts as zero.
ASRNN_DEVICE float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

ASRNN_DEVICE float reciprocal_approximate(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_DEVICE_CUH_
