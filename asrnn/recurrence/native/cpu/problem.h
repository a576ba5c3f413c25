// What the handler (plain C++17, any processor) and the kernels (one build per instruction set)
// tell each other: plain structs of pointers and sizes. Arrays are row-major float32.

#ifndef ASRNN_CPU_PROBLEM_H_
#define ASRNN_CPU_PROBLEM_H_

#include <cstdint>

// Not merely a hint: an out-of-line copy compiled for one instruction set would be shared by name
// with the builds for the others.
#define ASRNN_INLINE inline __attribute__((always_inline))

namespace asrnn {

// Padding that suits every instruction set: a whole number of the widest panels.
constexpr int64_t kWidestPanel = 32;

struct Shape {
  int64_t members;  // population: independent models side by side
  int64_t steps;    // T
  int64_t batch;    // B
  int64_t inputs;   // m
  int64_t units;    // n
  int64_t slices;   // of the batch; one slice runs the whole sequence on one thread
  int64_t chunk;    // time steps that the backward pass holds in cache at once
  bool gated;

  ASRNN_INLINE static int64_t round_up(int64_t value, int64_t unit) {
    return (value + unit - 1) / unit * unit;
  }
  ASRNN_INLINE int64_t padded_units() const { return round_up(units, kWidestPanel); }
  // The inputs with a column of ones: the bias is the last row of the input kernel.
  ASRNN_INLINE int64_t drive() const { return inputs + 1; }
  ASRNN_INLINE int64_t padded_drive() const { return round_up(drive(), kWidestPanel); }
  ASRNN_INLINE int64_t slice_begin(int64_t slice) const { return slice * batch / slices; }
  ASRNN_INLINE int64_t slice_rows() const { return (batch + slices - 1) / slices; }
  ASRNN_INLINE int64_t chunks() const { return (steps + chunk - 1) / chunk; }

  // Floats of what the forward pass leaves for the backward pass, per member and slice.
  ASRNN_INLINE int64_t trace_step() const {
    return slice_rows() * padded_units() * (gated ? 2 : 1);
  }
  ASRNN_INLINE int64_t trace_size() const { return steps * trace_step(); }
  ASRNN_INLINE int64_t anchor_size() const { return chunks() * slice_rows() * padded_units(); }
  // Floats of packed operands and weight gradients, per member (and slice).
  ASRNN_INLINE int64_t recurrent_size() const { return units * padded_units(); }
  ASRNN_INLINE int64_t drive_size() const { return drive() * padded_units(); }
  ASRNN_INLINE int64_t back_drive_size() const { return units * padded_drive(); }
  // Floats of working memory for one slice.
  ASRNN_INLINE int64_t forward_scratch() const {
    return slice_rows() * (padded_units() * (gated ? 4 : 2) + padded_drive());
  }
  ASRNN_INLINE int64_t backward_scratch() const {
    const int64_t per_step = slice_rows() * (padded_units() * (gated ? 4 : 2) + 2 * padded_drive());
    return slice_rows() * padded_units() + chunk * per_step + chunk * trace_step() +
           forward_scratch();
  }
};

// The parameters of one member in the kernels' order; gate_drive is null for a plain cell.
struct Packed {
  const float* recurrent;
  const float* drive;
  const float* gate_drive;
};

struct ForwardSlice {
  const Shape* shape;
  Packed weights;
  float step_size;
  int64_t begin, rows;   // of the batch
  const float* inputs;   // [T, B, m]
  const float* initial;  // [B, n]
  float* final_state;    // [B, n]
  float* states;         // [T, B, n] or null
  float* trace;          // this slice's [T][1 or 2][panels]: tanh (and gate) values, or null
  float* anchors;        // this slice's [chunk][panels]: the state before each chunk, or null
  float* scratch;
};

struct BackwardSlice {
  const Shape* shape;
  Packed weights;          // transposed: recurrent for dh, drive and gate_drive for dx
  Packed forward_weights;  // as in the forward pass; only needed without a trace
  float step_size;
  int64_t begin, rows;
  const float* inputs;
  const float* trace;  // or null: computed again
  const float* anchors;
  const float* final_cotangent;   // [B, n]
  const float* states_cotangent;  // [T, B, n] or null
  float* inputs_cotangent;        // [T, B, m] or null
  float* initial_cotangent;       // [B, n]
  float* recurrent_gradient;      // panels, zeroed by the kernel; null: no weight gradients wanted
  float* drive_gradient;
  float* gate_drive_gradient;
  double* step_size_gradient;
  float* scratch;
};

// One instruction set's entry points.
struct Kernel {
  int64_t panel;
  // Packs right[k][j] = matrix[k * row + j * column] as [panel][rows][panel columns].
  void (*pack)(const float* matrix, int64_t row, int64_t column, int64_t rows, int64_t columns,
               float* packed);
  // The same with `bias` as a last row.
  void (*pack_drive)(const float* kernel, const float* bias, int64_t rows, int64_t columns,
                     float* packed);
  void (*forward)(const ForwardSlice& slice);
  void (*backward)(const BackwardSlice& slice);
  void (*activations)(const float* values, float* tanh, float* sigmoid, int64_t count);
};

const Kernel* portable_kernel();
const Kernel* avx2_kernel();
const Kernel* avx512_kernel();

}  // namespace asrnn

#endif  // ASRNN_CPU_PROBLEM_H_
