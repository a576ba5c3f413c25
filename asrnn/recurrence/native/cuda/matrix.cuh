// The product of A, or of its transpose, with a vector in shared memory.

#ifndef ASRNN_CUDA_MATRIX_CUH_
#define ASRNN_CUDA_MATRIX_CUH_

#include "device.cuh"
#include "variant.cuh"

namespace asrnn {

// A thread's part of the matrix: rows first .. first + kLanes - 1, where first is its own row
// rounded down to a multiple of kLanes, and every kLanes-th quad of columns.
struct Matrix {
  Quad held[kHeldQuads][kLanes];
  const float* rest;  // in shared memory: [quad][row][thread], so that threads are neighbours
};

ASRNN_DEVICE int lane_of(int row) { return row % kLanes; }

// The first element of a thread's quad number q in the vector.
ASRNN_DEVICE int column_of(int q, int row) { return 4 * (q * kLanes + lane_of(row)); }

// A_ij, or A_ji of the transpose; zero outside.
template <bool kTransposed>
ASRNN_DEVICE float element(const float* a, int i, int j) {
  if (i >= kUnits || j >= kUnits) return 0.0f;
  return a[kTransposed ? j * kUnits + i : i * kUnits + j];
}

template <bool kTransposed>
ASRNN_DEVICE Quad quad_of(const float* a, int i, int j) {
  return {element<kTransposed>(a, i, j), element<kTransposed>(a, i, j + 1),
          element<kTransposed>(a, i, j + 2), element<kTransposed>(a, i, j + 3)};
}

// Reads the matrix; `rest` has room for kSharedWeights floats, of which each thread reads its own.
template <bool kTransposed>
ASRNN_DEVICE Matrix load_matrix(const float* a, int row, float* rest) {
  Matrix matrix;
  const int first = row - lane_of(row);
  ASRNN_UNROLL
  for (int q = 0; q < kHeldQuads; ++q) {
    ASRNN_UNROLL
    for (int r = 0; r < kLanes; ++r)
      matrix.held[q][r] = quad_of<kTransposed>(a, first + r, column_of(q, row));
  }
  for (int q = kHeldQuads; q < kQuads; ++q) {
    for (int r = 0; r < kLanes; ++r)
      store_quad(rest + 4 * (((q - kHeldQuads) * kLanes + r) * kThreads + row),
                 quad_of<kTransposed>(a, first + r, column_of(q, row)));
  }
  matrix.rest = rest + 4 * row;
  return matrix;
}

// The rows in shared memory, in groups: one for each of the first held quads.
constexpr int kGroup = 4;
constexpr int kGroups = kSharedQuads * kLanes / kGroup;
static_assert(kGroups <= kHeldQuads && kGroup <= kLanes, "too much of A is in shared memory");

// Quads of the vector that a thread reads at once.
constexpr int kAhead = kSharedQuads == 0 ? kQuads : 2;

// Chains of additions for each row: with few rows, one alone would wait for its own results.
constexpr int kChains = kLanes < 8 ? 2 : 1;

// Of each of kLanes rows the threads that share them have a partial sum; the sum of row number l
// of these goes to lane l. Each stage halves the rows and the threads that share one.
ASRNN_DEVICE float shared_out(float* sums, int row) {
  ASRNN_UNROLL
  for (int half = kLanes / 2; half >= 1; half /= 2) {
    const bool upper = (row & half) != 0;
    ASRNN_UNROLL
    for (int r = 0; r < half; ++r) {
      const float kept = upper ? sums[r + half] : sums[r];
      const float given = upper ? sums[r] : sums[r + half];
      sums[r] = kept + exchange(given, half);
    }
  }
  return sums[0];
}

// The thread's quads of a vector in shared memory: read ahead where there are registers for them.
struct Part {
  const float* own;
  Quad ahead[kAhead];

  ASRNN_METHOD Quad quad(int q) const {
    return q < kAhead ? ahead[q < kAhead ? q : 0] : load_quad(own + 4 * kLanes * q);
  }
};

ASRNN_DEVICE Part load_part(const float* vector, int row) {
  Part part;
  part.own = vector + 4 * lane_of(row);
  ASRNN_UNROLL
  for (int q = 0; q < kAhead; ++q) part.ahead[q] = load_quad(part.own + 4 * kLanes * q);
  return part;
}

// sums[.][r] += a v
ASRNN_DEVICE void add_product(float (&sums)[kChains][kLanes], int r, const Quad& a, const Quad& v) {
  sums[0][r] += a.x * v.x;
  sums[kChains - 1][r] += a.y * v.y;
  sums[0][r] += a.z * v.z;
  sums[kChains - 1][r] += a.w * v.w;
}

// The thread's own element of the product with the vector.
ASRNN_DEVICE float product(const Matrix& matrix, const Part& part, int row) {
  float sums[kChains][kLanes] = {};
  ASRNN_UNROLL
  for (int q = 0; q < kHeldQuads; ++q) {
    const Quad v = part.quad(q);
    // A few rows' quads come from shared memory during the arithmetic on those held.
    Quad fetched[kGroup];
    ASRNN_UNROLL
    for (int i = 0; i < kGroup; ++i)
      if (q < kGroups) fetched[i] = load_quad(matrix.rest + 4 * (q * kGroup + i) * kThreads);
    ASRNN_UNROLL
    for (int r = 0; r < kLanes; ++r) add_product(sums, r, matrix.held[q][r], v);
    ASRNN_UNROLL
    for (int i = 0; i < kGroup; ++i)
      if (q < kGroups)
        add_product(sums, (q * kGroup + i) % kLanes, fetched[i],
                    part.quad(kHeldQuads + q * kGroup / kLanes));
  }
  ASRNN_UNROLL
  for (int r = 0; r < kLanes; ++r) {
    ASRNN_UNROLL
    for (int chain = 1; chain < kChains; ++chain) sums[0][r] += sums[chain][r];
  }
  return shared_out(sums[0], row);
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_MATRIX_CUH_
