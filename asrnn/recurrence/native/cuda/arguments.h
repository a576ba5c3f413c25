// What the kernels are told, in the layout that handler.cc fills in.
//
// Arrays are those of the recurrence with the members of a population before their other axes.
// T: steps, B: batch, m: inputs, n: units.

#ifndef ASRNN_CUDA_ARGUMENTS_H_
#define ASRNN_CUDA_ARGUMENTS_H_

namespace asrnn {

// An array of each member; null if there is none.
struct Operand {
  const float* data;
  long long stride;  // floats from one member to the next; 0 if all share one array
};

struct ForwardArguments {
  int steps;
  int batch;
  Operand recurrent;    // A [n, n]
  Operand step_size;    // scalar
  Operand initial;      // [B, n]
  Operand drive;        // narrow: x [T, B, m]; wide: V x + b [T, B, n]
  Operand gate_drive;   // wide and gated: Vz x + bz [T, B, n]
  Operand kernel;       // narrow: V [m, n]
  Operand bias;         // narrow: b [n]
  Operand gate_kernel;  // narrow and gated: Vz [m, n]
  Operand gate_bias;    // narrow and gated: bz [n]
  float* last;          // [B, n], the state after the last step
  float* states;        // [T, B, n] or null: after each step
  float* before;        // [T, B, n] or null: before each step
  float* candidate;     // [T, B, n] or null: tanh of each step
  float* gate;          // [T, B, n] or null: sigmoid of each step
};

struct BackwardArguments {
  int steps;
  int batch;
  Operand recurrent;              // A [n, n]
  Operand step_size;              // scalar
  Operand candidate;              // [T, B, n]
  Operand gate;                   // [T, B, n], if gated
  Operand last;                   // [B, n], the gradient in the state after the last step
  Operand states;                 // [T, B, n] or null: the gradient in the states
  Operand inputs;                 // narrow: x [T, B, m], or null without the four sums below
  float* slopes;                  // [T, B, n] or null: delta + eta; delta if eta is wanted too
  float* gate_slopes;             // [T, B, n] or null: eta
  float* step_size_gradient;      // [B, n], to be summed
  float* initial_gradient;        // [B, n]
  float* kernel_gradient;         // [B, m, n] or null, to be summed over B
  float* bias_gradient;           // [B, n] or null, to be summed over B
  float* gate_kernel_gradient;    // [B, m, n] or null, to be summed over B
  float* gate_bias_gradient;      // [B, n] or null, to be summed over B
};

// Two compilers read this, and have to lay it out alike.
static_assert(sizeof(Operand) == 16 && sizeof(ForwardArguments) == 8 + 9 * 16 + 5 * 8 &&
                  sizeof(BackwardArguments) == 8 + 7 * 16 + 8 * 8,
              "the arguments have another layout than expected");

}  // namespace asrnn

#endif  // ASRNN_CUDA_ARGUMENTS_H_
