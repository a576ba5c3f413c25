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

// A state consists of parts that lie side by side, and a stage advances one part by what another,
// or the same, says:
//
//   u = [x 1] [V; b] + M s        (s the source; adjoint: - M^T s)
//   target <- target + step_size * tanh(u - diffusion * target)          (gated: * sigma(g) too)
//
// with the target's columns of V and b. A time step is its stages in their order.
//
// What a step hands to the next is cut into lines, [rows, width] each: the parts of the state, and
// for the method of Adams and Bashforth, which has Euler's stage, the slope f of the step before,
// r = tanh(u) (gated: sigma(g) tanh(u)) there,
//
//   h <- h + step_size * (3/2 r - 1/2 f),   f <- r
struct Stage {
  int64_t source, target;
  bool adjoint;
};

// Euler's method on one part: M is the recurrent matrix A.
constexpr Stage kEuler[] = {{0, 0, false}};
// Symplectic Euler on position and momentum (parts 0 and 1): M is the coupling K, and the position
// sees the new momentum. Together they apply [0 K; -K^T 0].
constexpr Stage kSymplecticEuler[] = {{0, 1, true}, {1, 0, false}};

struct Stages {
  const Stage* first;
  int64_t count;

  ASRNN_INLINE const Stage* begin() const { return first; }
  ASRNN_INLINE const Stage* end() const { return first + count; }
  ASRNN_INLINE const Stage& last_but(int64_t i) const { return first[count - 1 - i]; }
};

struct Shape {
  int64_t members;  // population: independent models side by side
  int64_t steps;    // T
  int64_t batch;    // B
  int64_t inputs;   // m
  int64_t units;    // n, of all parts together
  int64_t parts;    // 1: Euler or Adams-Bashforth; 2: symplectic Euler
  int64_t slices;   // of the batch; one slice runs the whole sequence on one thread
  int64_t chunk;    // time steps that the backward pass holds in cache at once
  bool gated;
  bool adams_bashforth;  // in place of Euler; only with one part

  ASRNN_INLINE static int64_t round_up(int64_t value, int64_t unit) {
    return (value + unit - 1) / unit * unit;
  }
  ASRNN_INLINE Stages stages() const {
    return parts == 1 ? Stages{kEuler, 1} : Stages{kSymplecticEuler, 2};
  }
  // Units of one part; the matrix is [width, width].
  ASRNN_INLINE int64_t width() const { return units / parts; }
  ASRNN_INLINE int64_t padded_width() const { return round_up(width(), kWidestPanel); }
  ASRNN_INLINE int64_t padded_units() const { return parts * padded_width(); }
  ASRNN_INLINE int64_t lines() const { return parts + (adams_bashforth ? 1 : 0); }
  ASRNN_INLINE int64_t carried() const { return lines() * width(); }
  ASRNN_INLINE int64_t padded_carried() const { return lines() * padded_width(); }
  ASRNN_INLINE int64_t gates() const { return gated ? 2 : 1; }
  // The inputs with a column of ones: the bias is the last row of the input kernel.
  ASRNN_INLINE int64_t drive() const { return inputs + 1; }
  ASRNN_INLINE int64_t padded_drive() const { return round_up(drive(), kWidestPanel); }
  ASRNN_INLINE int64_t slice_begin(int64_t slice) const { return slice * batch / slices; }
  ASRNN_INLINE int64_t slice_rows() const { return (batch + slices - 1) / slices; }
  ASRNN_INLINE int64_t chunks() const { return (steps + chunk - 1) / chunk; }

  // Floats of what the forward pass leaves for the backward pass, per member and slice.
  ASRNN_INLINE int64_t trace_step() const { return slice_rows() * padded_units() * gates(); }
  ASRNN_INLINE int64_t trace_size() const { return steps * trace_step(); }
  ASRNN_INLINE int64_t anchor_size() const { return chunks() * slice_rows() * padded_carried(); }
  // Floats of packed operands and weight gradients, per member (and slice), for one part. Enough
  // for tiles of bfloat16 too, which are padded in depth.
  ASRNN_INLINE int64_t recurrent_size() const { return padded_width() * padded_width(); }
  ASRNN_INLINE int64_t drive_size() const { return padded_drive() * padded_width(); }
  ASRNN_INLINE int64_t back_drive_size() const { return padded_width() * padded_drive(); }
  // The same for a whole member.
  ASRNN_INLINE int64_t forward_weights() const {
    return parts * (recurrent_size() + gates() * drive_size());
  }
  ASRNN_INLINE int64_t backward_weights() const {
    return parts * (recurrent_size() + gates() * back_drive_size());
  }
  ASRNN_INLINE int64_t gradient_size() const {
    return recurrent_size() + parts * gates() * drive_size();
  }
  // Floats of working memory for one slice.
  ASRNN_INLINE int64_t forward_scratch() const {
    return slice_rows() * (padded_carried() + padded_width() * (gated ? 3 : 1) + padded_drive());
  }
  ASRNN_INLINE int64_t backward_scratch() const {
    const int64_t per_step =
        slice_rows() * (padded_units() * (gated ? 4 : 2) + 2 * padded_drive());
    const int64_t cotangents = padded_units() + (adams_bashforth ? 2 * padded_width() : 0);
    return slice_rows() * (cotangents + padded_units()) + chunk * per_step +
           chunk * trace_step() + outer_scratch() + forward_scratch();
  }
  // For both operands of a chunk's weight gradient, as tiles.
  ASRNN_INLINE int64_t outer_scratch() const {
    const int64_t left = padded_drive() > padded_width() ? padded_drive() : padded_width();
    return round_up(chunk * slice_rows(), kWidestPanel) * (left + padded_width());
  }
};
// The parameters of one member, packed part by part; gate_drive is null for a plain cell.
struct Packed {
  const float* recurrent;
  const float* drive;
  const float* gate_drive;
};

struct ForwardSlice {
  const Shape* shape;
  Packed weights;
  float step_size, diffusion;
  int64_t begin, rows;   // of the batch
  const float* inputs;   // [T, B, m]
  const float* initial;  // [B, carried]
  float* final_state;    // [B, carried]
  float* states;         // [T, B, n] or null
  float* trace;          // this slice's [T][part][1 or 2][panels]: tanh (and gate) values, or null
  float* anchors;        // this slice's [chunk][line][panels]: what each chunk starts from, or null
  float* scratch;
};

struct BackwardSlice {
  const Shape* shape;
  Packed weights;          // transposed: recurrent for the sources, drive and gate_drive for dx
  Packed forward_weights;  // as in the forward pass; only needed without a trace
  float step_size, diffusion;
  int64_t begin, rows;
  const float* inputs;
  const float* trace;             // or null: computed again
  const float* anchors;           // only without a final state
  const float* final_state;       // [B, carried], from which the states are taken back, or null
  const float* final_cotangent;   // [B, carried]
  const float* states_cotangent;  // [T, B, n] or null
  float* inputs_cotangent;        // [T, B, m] or null
  float* initial_cotangent;       // [B, carried]
  float* recurrent_gradient;      // panels, zeroed by the kernel; null: no weight gradients wanted
  float* drive_gradient;
  float* gate_drive_gradient;
  double* step_size_gradient;
  double* diffusion_gradient;  // or null
  float* scratch;
};

// One instruction set's entry points.
struct Kernel {
  int64_t panel;
  // Packs right[k][j] = sign * matrix[k * row + j * column] as [panel][rows][panel columns], or as
  // tiles (products.h).
  void (*pack)(const float* matrix, int64_t row, int64_t column, int64_t rows, int64_t columns,
               float sign, float* packed);
  // The same of kernel[k * row + j], with `bias` as a last row.
  void (*pack_drive)(const float* kernel, int64_t row, const float* bias, int64_t rows,
                     int64_t columns, float* packed);
  void (*forward)(const ForwardSlice& slice);
  void (*backward)(const BackwardSlice& slice);
  void (*activations)(const float* values, float* tanh, float* sigmoid, int64_t count);
};

const Kernel* portable_kernel();
const Kernel* avx2_kernel();
const Kernel* avx512_kernel();
const Kernel* bfloat16_kernel();
const Kernel* bfloat16_3x_kernel();

}  // namespace asrnn

#endif  // ASRNN_CPU_PROBLEM_H_
