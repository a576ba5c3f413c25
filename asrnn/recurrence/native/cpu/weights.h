// The parameters of a call: as they come, row-major, and as the kernels read and sum them, in panels.

#ifndef ASRNN_CPU_WEIGHTS_H_
#define ASRNN_CPU_WEIGHTS_H_

#include <cstdint>

#include "call.h"
#include "operands.h"
#include "problem.h"

namespace asrnn {

// Every parameter as an operand, and the scalars of the equation.
struct Parameters {
  Operand matrix, drive, bias, gate_drive, gate_bias, step_size, diffusion;

  Parameters(const Shape& s, const Array& matrix_, const Array& drive_, const Array& bias_,
             const Array& gate_drive_, const Array& gate_bias_, const Array& step_size_,
             const Array& diffusion_)
      : matrix(input(matrix_, s, s.width() * s.width(), "matrix")),
        drive(input(drive_, s, s.inputs * s.units, "input_kernel")),
        bias(input(bias_, s, s.units, "bias")),
        gate_drive(optional_input(gate_drive_, s, s.inputs * s.units, "gate_input_kernel")),
        gate_bias(optional_input(gate_bias_, s, s.units, "gate_bias")),
        step_size(input(step_size_, s, 1, "step_size")),
        diffusion(optional_input(diffusion_, s, 1, "diffusion")) {}

  // 0 where there is none, for then it is part of the matrix.
  float diffusion_of(int64_t member) const {
    return diffusion.data == nullptr ? 0.0f : *diffusion.of(member);
  }
};

// Where the parts of packed weights begin; `drive` floats for the drive of one part.
inline Packed packed_at(const Shape& s, const float* base, int64_t drive) {
  const float* drives = base + s.parts * s.recurrent_size();
  return {base, drives, s.gated ? drives + s.parts * drive : nullptr};
}

inline Packed forward_weights(const Shape& s, const float* base) {
  return packed_at(s, base, s.drive_size());
}

inline Packed backward_weights(const Shape& s, const float* base) {
  return packed_at(s, base, s.back_drive_size());
}

// M or its transpose for each stage: right[k][j] takes k of the source to j of the target, or back.
inline void pack_recurrent(const Call& call, const float* matrix, bool back, float* to) {
  const Shape& s = call.shape;
  const int64_t width = s.width();
  for (const Stage& stage : s.stages()) {
    const bool transposed = stage.adjoint == back;
    call.kernel.pack(matrix, transposed ? 1 : width, transposed ? width : 1, width, width,
                     stage.adjoint ? -1.0f : 1.0f, to + stage.target * s.recurrent_size());
  }
}

inline void pack_forward(const Call& call, const Parameters& given, int64_t member, float* to) {
  const Shape& s = call.shape;
  const auto drives = [&](const Operand& kernel, const Operand& bias) {
    for (int64_t part = 0; part < s.parts; ++part, to += s.drive_size())
      call.kernel.pack_drive(kernel.of(member) + part * s.width(), s.units,
                             bias.of(member) + part * s.width(), s.inputs, s.width(), to);
  };
  pack_recurrent(call, given.matrix.of(member), false, to);
  to += s.parts * s.recurrent_size();
  drives(given.drive, given.bias);
  if (s.gated) drives(given.gate_drive, given.gate_bias);
}

// Without the drives unless the gradient in the inputs is wanted.
inline void pack_backward(const Call& call, const Parameters& given, int64_t member, bool drives,
                          float* to) {
  const Shape& s = call.shape;
  pack_recurrent(call, given.matrix.of(member), true, to);
  to += s.parts * s.recurrent_size();
  if (!drives) return;
  for (int64_t kind = 0; kind < s.gates(); ++kind) {
    const float* kernel = (kind == 0 ? given.drive : given.gate_drive).of(member);
    for (int64_t part = 0; part < s.parts; ++part, to += s.back_drive_size())
      call.kernel.pack(kernel + part * s.width(), 1, s.units, s.width(), s.inputs, 1.0f, to);
  }
}

// The slices' shares of one member's weight gradients, and where their sums go.
struct Shares {
  const Call& call;
  const float* first;  // of the slices' shares,
  int64_t stride;      // so many floats apart

  // Sums one panel of columns in the order of the slices, whoever computed them: `rows` rows from
  // `offset` of each share, [panel][row][kernel.panel], to rows that are `target_row` apart; if
  // there is an `extra`, one row more goes there.
  void sum(int64_t offset, int64_t panel, int64_t rows, float* target, int64_t target_row,
           float* extra) const {
    const int64_t n = call.shape.width(), width = call.kernel.panel;
    const int64_t total_rows = rows + (extra == nullptr ? 0 : 1);
    const int64_t begin = panel * width, end = begin + width < n ? begin + width : n;
    for (int64_t r = 0; r < total_rows; ++r) {
      float* to = r < rows ? target + r * target_row : extra;
      const float* from = first + offset + (panel * total_rows + r) * width;
      for (int64_t j = begin; j < end; ++j) to[j] = from[j - begin];
      for (int64_t slice = 1; slice < call.shape.slices; ++slice) {
        from += stride;
        for (int64_t j = begin; j < end; ++j) to[j] += from[j - begin];
      }
    }
  }

  // The same for a panel of everything: the matrix, and each part's drive (and gate drive).
  void sum_panel(int64_t panel, float* matrix, float* drive, float* bias, float* gate_drive,
                 float* gate_bias) const {
    const Shape& s = call.shape;
    sum(0, panel, s.width(), matrix, s.width(), nullptr);
    int64_t offset = s.recurrent_size();
    const auto drives = [&](float* kernel, float* of_ones) {
      for (int64_t part = 0; part < s.parts; ++part, offset += s.drive_size())
        sum(offset, panel, s.inputs, kernel + part * s.width(), s.units,
            of_ones + part * s.width());
    };
    drives(drive, bias);
    if (s.gated) drives(gate_drive, gate_bias);
  }
};

}  // namespace asrnn

#endif  // ASRNN_CPU_WEIGHTS_H_
