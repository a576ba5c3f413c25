// The forward pass of one slice of the batch, all time steps.
//
//   u = h A^T + [x 1] [V; b];   h <- h + step_size * tanh(u)          (gated: * sigma(g) too)
//
// With a gate, h A^T is computed once and both drives are added to it.

#ifndef ASRNN_CPU_FORWARD_H_
#define ASRNN_CPU_FORWARD_H_

#include "activations.h"
#include "panels.h"
#include "problem.h"
#include "tile.h"

namespace {

// The state update; the backward pass repeats it to rebuild the states of a chunk.
template <int kCount>
ASRNN_INLINE Pack<kCount> advance(const Pack<kCount>& state, float step_size,
                                  const Pack<kCount>& rate) {
  return state + step_size * rate;
}

struct ForwardPass {
  const asrnn::ForwardSlice& slice;
  const asrnn::Shape& shape;
  const int64_t rows, units, stride;
  const int64_t block;  // floats of [rows, units] in panels
  float *state, *candidate, *shared, *gate, *drive;

  // Holds a reference: the slice must outlive the pass.
  explicit ForwardPass(const asrnn::ForwardSlice& slice_)
      : slice(slice_),
        shape(*slice_.shape),
        rows(slice_.rows),
        units(shape.units),
        stride(rows * kPanel),
        block(rows * shape.padded_units()) {
    state = slice.scratch;
    candidate = state + block;
    drive = candidate + block;
    shared = drive + rows * shape.padded_drive();
    gate = shared + block;
  }

  Term recurrent() const { return {state, stride, slice.weights.recurrent, units}; }
  Term driven(const float* weights) const { return {drive, stride, weights, shape.drive()}; }

  void preactivations(const float* trace) const {
    const Ahead ahead{trace, trace == nullptr ? 0 : trace_step()};
    if (!shape.gated) {
      const Product both{{driven(slice.weights.drive), recurrent()}, 2, nullptr, candidate, stride};
      product_panels<true>(both, rows, units, ahead);
      return;
    }
    product_panels<true>({{recurrent(), {}}, 1, nullptr, shared, stride}, rows, units, ahead);
    product_panels({{driven(slice.weights.drive), {}}, 1, shared, candidate, stride}, rows, units);
    product_panels({{driven(slice.weights.gate_drive), {}}, 1, shared, gate, stride}, rows, units);
  }

  template <bool kTraced>
  void update(float* trace) const {
    each_pack<kAbreast>(rows, units,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const Values rate = tangent(Values::load_from(candidate + at, step));
      advance(Values::load_from(state + at, step), slice.step_size, rate)
          .store_to(state + at, step);
      if (kTraced) rate.store_to(trace + at, step);
    });
  }

  template <bool kTraced>
  void gated_update(float* trace) const {
    each_pack<kAbreast>(rows, units,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const auto rate = gated_activations(Values::load_from(candidate + at, step),
                                          Values::load_from(gate + at, step));
      advance(Values::load_from(state + at, step), slice.step_size, rate.candidate * rate.gate)
          .store_to(state + at, step);
      if (kTraced) {
        rate.candidate.store_to(trace + at, step);
        rate.gate.store_to(trace + block + at, step);
      }
    });
  }

  template <bool kTraced>
  void step(int64_t t, float* trace) const {
    const int64_t first = t * shape.batch + slice.begin;
    drive_to_panels(slice.inputs + first * shape.inputs, rows, shape.inputs, drive, stride);
    preactivations(trace);
    if (shape.gated) {
      gated_update<kTraced>(trace);
    } else {
      update<kTraced>(trace);
    }
    if (slice.states != nullptr)
      from_panels(state, stride, rows, units, slice.states + first * units, units);
  }

  // One chunk from its anchor, as the backward pass needs it.
  void trace_chunk(const float* anchor, int64_t first, int64_t count, float* trace) const {
    memcpy(state, anchor, block * sizeof(float));
    for (int64_t i = 0; i < count; ++i) step<true>(first + i, trace + i * trace_step());
  }

  int64_t trace_step() const { return (shape.gated ? 2 : 1) * block; }

  void run() const {
    to_panels(slice.initial + slice.begin * units, units, rows, units, state, stride);
    for (int64_t t = 0; t < shape.steps; ++t) {
      if (slice.anchors != nullptr && t % shape.chunk == 0)
        memcpy(slice.anchors + t / shape.chunk * block, state, block * sizeof(float));
      if (slice.trace != nullptr) {
        step<true>(t, slice.trace + t * trace_step());
      } else {
        step<false>(t, nullptr);
      }
    }
    from_panels(state, stride, rows, units, slice.final_state + slice.begin * units, units);
  }
};

void forward(const asrnn::ForwardSlice& slice) { ForwardPass(slice).run(); }

}  // namespace

#endif  // ASRNN_CPU_FORWARD_H_
