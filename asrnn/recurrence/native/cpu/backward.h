// The backward pass of one slice of the batch, in chunks of time steps that stay in cache.
//
// Per chunk, last chunk first:
//   0. without a trace: compute the chunk's tanh (and gate) values again from the anchor;
//   1. rebuild the states before each step from the anchor and the stored tanh (and gate) values:
//      elementwise, no matrix product;
//   2. walk back through the steps: d = step_size * (1 - tanh^2) * dh [* gate], and with a gate
//      e = step_size * tanh * gate * (1 - gate) * dh;   dh <- dh + (d + e) A;
//   3. while all of it is in cache, add the chunk's share of the weight gradients:
//      dA += (d + e)^T h,  [dV; db] += [x 1]^T d,  [dVz; dbz] += [x 1]^T e,  dx = d V^T + e Vz^T.

#ifndef ASRNN_CPU_BACKWARD_H_
#define ASRNN_CPU_BACKWARD_H_

#include "forward.h"
#include "panels.h"
#include "problem.h"
#include "tile.h"

namespace {

// A sum over the vectors of a panel, in several chains that do not wait for each other. Padding
// stays out: beside an infinite state it may be NaN.
struct Sum {
  Vector chains[kAbreast] = {};

  template <int kCount>
  ASRNN_INLINE void add(const Pack<kCount>& values, int64_t offset, int64_t step,
                        int64_t columns) {
    if (columns >= kPanel) {
      for (int i = 0; i < kCount; ++i) chains[i] += values.at[i];
      return;
    }
    for (int i = 0; i < kCount; ++i) {
      const int64_t width = smaller(kLanes, columns - (offset + i * step) % kPanel);
      for (int64_t lane = 0; lane < width; ++lane) chains[i][lane] += values.at[i][lane];
    }
  }

  double total() const {
    Vector all{};
    for (const Vector& chain : chains) all += chain;
    double sum = 0.0;
    for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(all[lane]);
    return sum;
  }
};

struct BackwardPass {
  const asrnn::BackwardSlice& slice;
  const asrnn::Shape& shape;
  const int64_t rows, units;
  const int64_t block;    // floats of [rows, units] in panels
  const int64_t stride;   // between panels of one step
  const int64_t tall;     // between panels of a chunk
  const int64_t traced;   // floats of trace per step
  float *cotangent, *states, *delta, *candidate_delta, *gate_delta;
  float *drive, *inputs_delta, *chunk_trace;

  explicit BackwardPass(const asrnn::BackwardSlice& slice_)
      : slice(slice_),
        shape(*slice_.shape),
        rows(slice_.rows),
        units(shape.units),
        block(rows * shape.padded_units()),
        stride(rows * kPanel),
        tall(shape.chunk * rows * kPanel),
        traced((shape.gated ? 2 : 1) * block) {
    cotangent = slice.scratch;
    states = cotangent + block;
    delta = states + shape.chunk * block;
    drive = delta + shape.chunk * block;
    inputs_delta = drive + shape.chunk * rows * shape.padded_drive();
    float* gated = inputs_delta + shape.chunk * rows * shape.padded_drive();
    candidate_delta = shape.gated ? gated : delta;
    gate_delta = gated + shape.chunk * block;
    chunk_trace = gated + (shape.gated ? 2 : 0) * shape.chunk * block;
  }

  // The trace of a chunk: the forward pass's, or the same computed again.
  const float* trace_of(int64_t first, int64_t count) const {
    if (slice.trace != nullptr) return slice.trace + first * traced;
    asrnn::ForwardSlice again{};
    again.shape = slice.shape;
    again.weights = slice.forward_weights;
    again.step_size = slice.step_size;
    again.begin = slice.begin;
    again.rows = rows;
    again.inputs = slice.inputs;
    again.scratch = chunk_trace + shape.chunk * traced;
    ForwardPass(again).trace_chunk(anchor(first), first, count, chunk_trace);
    return chunk_trace;
  }

  const float* anchor(int64_t first) const { return slice.anchors + first / shape.chunk * block; }

  void rebuild(int64_t first, int64_t count, const float* trace) const {
    for (int64_t panel = 0; panel < ceil_div(units, kPanel); ++panel)
      memcpy(states + panel * tall, anchor(first) + panel * stride, stride * sizeof(float));
    for (int64_t i = 0; i + 1 < count; ++i)
      rebuild_after(states + i * stride, trace + i * traced);
  }

  void rebuild_after(float* before, const float* trace) const {
    each_pack<kAbreast>(rows, units,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside, target = panel * tall + inside;
      Values rate = Values::load_from(trace + at, step);
      if (shape.gated) rate = rate * Values::load_from(trace + block + at, step);
      advance(Values::load_from(before + target, step), slice.step_size, rate)
          .store_to(before + stride + target, step);
    });
  }

  void add_states_cotangent(int64_t t) const {
    const float* given = slice.states_cotangent + (t * shape.batch + slice.begin) * units;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < units; ++j)
        cotangent[j / kPanel * stride + r * kPanel + j % kPanel] += given[r * units + j];
  }

  // d of one step; returns the step's part of the step size's gradient.
  double deltas(const float* trace, int64_t i) const {
    const float scale = slice.step_size;
    Sum sum;
    each_pack<kAbreast>(rows, units,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const Values value = Values::load_from(trace + at, step);
      const Values dh = Values::load_from(cotangent + at, step);
      sum.add(dh * value, inside, step, units - panel * kPanel);
      ((scale * dh) * (1.0f - value * value))
          .store_to(delta + i * stride + panel * tall + inside, step);
    });
    return sum.total();
  }

  double gated_deltas(const float* trace, int64_t i) const {
    const float scale = slice.step_size;
    Sum sum;
    each_pack<kAbreast>(rows, units,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const int64_t target = i * stride + panel * tall + inside;
      const Values value = Values::load_from(trace + at, step);
      const Values gate = Values::load_from(trace + block + at, step);
      const Values dz = Values::load_from(cotangent + at, step) * gate;
      sum.add(dz * value, inside, step, units - panel * kPanel);
      const Values d = (scale * dz) * (1.0f - value * value);
      const Values e = (scale * dz) * (value * (1.0f - gate));
      d.store_to(candidate_delta + target, step);
      e.store_to(gate_delta + target, step);
      (d + e).store_to(delta + target, step);
    });
    return sum.total();
  }

  void walk_back(int64_t first, int64_t count, const float* chunk) const {
    for (int64_t i = count - 1; i >= 0; --i) {
      const int64_t t = first + i;
      if (slice.states_cotangent != nullptr) add_states_cotangent(t);
      const float* trace = chunk + i * traced;
      *slice.step_size_gradient += shape.gated ? gated_deltas(trace, i) : deltas(trace, i);
      const Term back{delta + i * stride, tall, slice.weights.recurrent, units};
      Ahead ahead;
      if (slice.trace != nullptr && first > 0)
        ahead = {slice.trace + (t - shape.chunk) * traced, traced};
      product_panels({{back, {}}, 1, cotangent, cotangent, stride}, rows, units, ahead);
    }
  }

  void weight_gradients(int64_t first, int64_t count) const {
    for (int64_t i = 0; i < count; ++i)
      drive_to_panels(
          slice.inputs + ((first + i) * shape.batch + slice.begin) * shape.inputs, rows,
          shape.inputs, drive + i * stride, tall);
    const int64_t depth = count * rows;
    outer_panels({delta, states, tall, tall, slice.recurrent_gradient}, depth, units, units);
    outer_panels({drive, candidate_delta, tall, tall, slice.drive_gradient}, depth, shape.drive(),
                 units);
    if (shape.gated)
      outer_panels({drive, gate_delta, tall, tall, slice.gate_drive_gradient}, depth,
                   shape.drive(), units);
  }

  void inputs_gradient(int64_t first, int64_t count) const {
    const Term candidate{candidate_delta, tall, slice.weights.drive, units};
    const Term gate{gate_delta, tall, slice.weights.gate_drive, units};
    const Product product{{candidate, gate}, shape.gated ? 2 : 1, nullptr, inputs_delta, tall};
    product_panels(product, count * rows, shape.inputs);
    for (int64_t i = 0; i < count; ++i)
      from_panels(inputs_delta + i * stride, tall, rows, shape.inputs,
                  slice.inputs_cotangent +
                      ((first + i) * shape.batch + slice.begin) * shape.inputs,
                  shape.inputs);
  }

  void clear() const {
    *slice.step_size_gradient = 0.0;
    if (slice.recurrent_gradient == nullptr) return;
    memset(slice.recurrent_gradient, 0, shape.recurrent_size() * sizeof(float));
    memset(slice.drive_gradient, 0, shape.drive_size() * sizeof(float));
    if (shape.gated) memset(slice.gate_drive_gradient, 0, shape.drive_size() * sizeof(float));
  }

  void run() const {
    clear();
    to_panels(slice.final_cotangent + slice.begin * units, units, rows, units, cotangent, stride);
    for (int64_t chunk = shape.chunks() - 1; chunk >= 0; --chunk) {
      const int64_t first = chunk * shape.chunk;
      const int64_t count = smaller(shape.chunk, shape.steps - first);
      const bool weights = slice.recurrent_gradient != nullptr;
      const float* trace = trace_of(first, count);
      if (weights) rebuild(first, count, trace);
      walk_back(first, count, trace);
      if (weights) weight_gradients(first, count);
      if (slice.inputs_cotangent != nullptr) inputs_gradient(first, count);
    }
    from_panels(cotangent, stride, rows, units, slice.initial_cotangent + slice.begin * units,
                units);
  }
};

void backward(const asrnn::BackwardSlice& slice) { BackwardPass(slice).run(); }

}  // namespace

#endif  // ASRNN_CPU_BACKWARD_H_
