// Lanes: one vector type per build of the kernel.
//
// kernel.cc is compiled once per instruction set with ASRNN_ISA (a name) and ASRNN_LANES (floats in
// a register). The compiler's vector extensions turn the same source into AVX-512, AVX2, SSE2 or
// NEON code, so there is one kernel to read and test. Everything here has internal linkage: a
// function that two instruction sets shared by name could be linked in from the wrong one.

#ifndef ASRNN_CPU_VECTOR_H_
#define ASRNN_CPU_VECTOR_H_

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "problem.h"

namespace {

constexpr int kLanes = ASRNN_LANES;
// Rows of a register tile two vectors wide: the accumulators must leave room for two columns and a
// broadcast, in 32 registers (AVX-512) or in 16.
#if defined(ASRNN_BFLOAT16)
constexpr int kTileRows = 8;  // only shallow products are left for such tiles
#else
constexpr int kTileRows = ASRNN_LANES == 16 ? 14 : 6;
#endif
// Vectors that elementwise loops treat in step, again by the number of registers.
constexpr int kAbreast = ASRNN_LANES == 16 ? 4 : 2;
// Buffers of a slice are panels [panel][row][kPanel], kPanel the columns of a register tile: inside
// a tile the distance between rows is then a constant that fits the address of a load.
constexpr int64_t kPanel = 2 * kLanes;

typedef float Vector __attribute__((vector_size(4 * ASRNN_LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * ASRNN_LANES)));
typedef float Loose __attribute__((vector_size(4 * ASRNN_LANES), aligned(4), may_alias));

// Of the loops over a tile: only when they are gone before the compiler allocates registers are the
// accumulators kept there from beginning to end.
#define ASRNN_UNROLL _Pragma("GCC unroll 16")
// For the bodies of elementwise loops: out of line, each call would load its constants again.
#define ASRNN_BODY __attribute__((always_inline))

ASRNN_INLINE Vector load(const float* from) { return *reinterpret_cast<const Loose*>(from); }

ASRNN_INLINE void store(float* to, Vector value) { *reinterpret_cast<Loose*>(to) = value; }

ASRNN_INLINE Vector fill(float value) { return value - Vector{}; }

// a / b for b in [1, 2]. Where an estimate of 1 / b to 14 bits is cheap, one correction makes the
// quotient as good as a division, which would occupy an arithmetic unit for 16 cycles.
ASRNN_INLINE Vector quotient(Vector a, Vector b) {
#if defined(__AVX512F__)
  const Vector inverse = reinterpret_cast<Vector>(_mm512_rcp14_ps(reinterpret_cast<__m512>(b)));
  const Vector estimate = a * inverse;
  return estimate + (a - b * estimate) * inverse;
#else
  return a / b;
#endif
}

// Several independent vectors in step. A chain of dependent operations on one vector leaves the
// arithmetic units idle, and the processor's queue of waiting operations is too short to overlap
// such chains by itself; here the compiler emits each operation for all of them before the next.
template <int kCount>
struct Pack {
  Vector at[kCount];

  ASRNN_INLINE static Pack of(float value) {
    Pack pack;
    for (int i = 0; i < kCount; ++i) pack.at[i] = fill(value);
    return pack;
  }
  ASRNN_INLINE static Pack load_from(const float* from, int64_t step) {
    Pack pack;
    for (int i = 0; i < kCount; ++i) pack.at[i] = load(from + i * step);
    return pack;
  }
  ASRNN_INLINE void store_to(float* to, int64_t step) const {
    for (int i = 0; i < kCount; ++i) store(to + i * step, at[i]);
  }
};

template <int kCount, typename Operation>
ASRNN_INLINE Pack<kCount> each(const Operation& operation) {
  Pack<kCount> pack;
  for (int i = 0; i < kCount; ++i) pack.at[i] = operation(i);
  return pack;
}

#define ASRNN_PACK_OPERATOR(op)                                             \
  template <int kCount>                                                     \
  ASRNN_INLINE Pack<kCount> operator op(const Pack<kCount>& a, const Pack<kCount>& b) { \
    return each<kCount>([&](int i) { return a.at[i] op b.at[i]; });         \
  }                                                                         \
  template <int kCount>                                                     \
  ASRNN_INLINE Pack<kCount> operator op(const Pack<kCount>& a, float b) {   \
    return each<kCount>([&](int i) { return a.at[i] op b; });               \
  }                                                                         \
  template <int kCount>                                                     \
  ASRNN_INLINE Pack<kCount> operator op(float a, const Pack<kCount>& b) {   \
    return each<kCount>([&](int i) { return a op b.at[i]; });               \
  }
ASRNN_PACK_OPERATOR(+)
ASRNN_PACK_OPERATOR(-)
ASRNN_PACK_OPERATOR(*)
#undef ASRNN_PACK_OPERATOR

ASRNN_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

ASRNN_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

#endif  // ASRNN_CPU_VECTOR_H_
