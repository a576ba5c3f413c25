// The backward pass of one slice of the batch, in chunks of time steps that stay in cache.
//
// Per chunk, last chunk first:
//   0. without a trace: compute the chunk's tanh (and gate) values again, from the anchor or, going
//      back, from the state after the chunk;
//   1. rebuild the states before each step from the anchor and the stored tanh (and gate) values:
//      elementwise, no matrix product;
//   2. walk back through the steps and their stages, with the cotangents dt of the target and ds of
//      the source: d = step_size * (1 - tanh^2) * dt [* gate], and with a gate
//      e = step_size * tanh * gate * (1 - gate) * dt;
//      dt <- dt - diffusion * d,  ds <- ds + (d + e) M;
//   3. while all of it is in cache, add the chunk's share of the weight gradients:
//      dM += (d + e)^T s,  [dV; db] += [x 1]^T d,  [dVz; dbz] += [x 1]^T e,  dx = d V^T + e Vz^T,
//      and d(diffusion) -= <d, t>, t the target before the stage.
//
// In Adams-Bashforth a slope moves the state twice, so that in d, e and the step size's gradient
// read 3/2 dt - 1/2 dt' for dt, with dt' the cotangent of the state a step later. In the last step
// the cotangent of the final slope stands beside step_size times that; the cotangent of the initial
// slope is -1/2 step_size times that of the state after the first step.
//
// For an adjoint stage, which applies -M^T, read ds <- ds - (d + e) M^T and dM -= s^T (d + e).

#ifndef ASRNN_CPU_BACKWARD_H_
#define ASRNN_CPU_BACKWARD_H_

#include "forward.h"
#include "panels.h"
#include "problem.h"
#include "products.h"

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

template <bool kGated, int kParts, bool kAdamsBashforth>
struct BackwardPass {
  using Forward = ForwardPass<kGated, kParts, kAdamsBashforth>;
  const asrnn::BackwardSlice& slice;
  const asrnn::Shape& shape;
  const int64_t rows, width;
  const int64_t block;   // floats of one part, [rows, width], in panels
  const int64_t stride;  // between panels of one step
  const int64_t tall;    // between panels of a chunk's steps
  const int64_t taller;  // between panels of the states around them, one more
  const int64_t traced;  // floats of trace per part and step
  float *cotangent, *later, *slope_cotangent;  // of the state; a step later; of the last slope
  float *states, *delta, *candidate_delta, *gate_delta;
  float *drive, *inputs_delta, *chunk_trace, *outer_scratch, *forward_scratch;

  explicit BackwardPass(const asrnn::BackwardSlice& slice_)
      : slice(slice_),
        shape(*slice_.shape),
        rows(slice_.rows),
        width(shape.width()),
        block(rows * shape.padded_width()),
        stride(rows * kPanel),
        tall(shape.chunk * stride),
        taller(tall + stride),
        traced((kGated ? 2 : 1) * block) {
    const int64_t all = kParts * block, inputs = shape.chunk * rows * shape.padded_drive();
    cotangent = slice.scratch;
    later = cotangent + all;
    slope_cotangent = later + block;
    states = later + (kAdamsBashforth ? 2 * block : 0);
    delta = states + (shape.chunk + 1) * all;
    drive = delta + shape.chunk * all;
    inputs_delta = drive + inputs;
    float* gated = inputs_delta + inputs;
    candidate_delta = kGated ? gated : delta;
    gate_delta = gated + shape.chunk * all;
    chunk_trace = gated + (kGated ? 2 : 0) * shape.chunk * all;
    outer_scratch = chunk_trace + shape.chunk * shape.trace_step();
    forward_scratch = outer_scratch + shape.outer_scratch();
  }

  // One part among those of the cotangent, of the states of a chunk, of its deltas.
  float* cotangent_of(int64_t part) const { return cotangent + part * block; }
  float* states_of(int64_t part) const { return states + part * (shape.chunk + 1) * block; }
  float* of(float* deltas, int64_t part) const { return deltas + part * shape.chunk * block; }

  // What a stage reads of its source in the chunk's first step: the state before that step, but
  // the momentum after it.
  float* source_of(const asrnn::Stage& stage) const {
    return states_of(stage.source) + stage.source * stride;
  }

  int64_t first_row(int64_t t) const { return t * shape.batch + slice.begin; }

  // A forward pass like the first, in memory of its own.
  asrnn::ForwardSlice forward_again() const {
    asrnn::ForwardSlice again{};
    again.shape = slice.shape;
    again.weights = slice.forward_weights;
    again.step_size = slice.step_size;
    again.diffusion = slice.diffusion;
    again.begin = slice.begin;
    again.rows = rows;
    again.inputs = slice.inputs;
    again.scratch = forward_scratch;
    return again;
  }

  const float* anchor(int64_t first) const {
    return slice.anchors + first / shape.chunk * Forward::kLines * block;
  }

  // Copies the parts of a state to the states' place `i`.
  void place(const float* from, int64_t i) const {
    for (int64_t part = 0; part < kParts; ++part)
      for (int64_t panel = 0; panel < ceil_div(width, kPanel); ++panel)
        memcpy(states_of(part) + panel * taller + i * stride,
               from + part * block + panel * stride, stride * sizeof(float));
  }

  void rebuild(int64_t first, int64_t count, const float* trace) const {
    place(anchor(first), 0);
    for (int64_t i = 0; i < count; ++i)
      for (const asrnn::Stage& stage : shape.stages()) {
        const bool read = i + 1 < count || stage.target > 0;
        if (read)
          rebuild_after(states_of(stage.target) + i * stride,
                        trace + (i * kParts + stage.target) * traced,
                        i == 0 ? anchor(first) + kParts * block : nullptr);
      }
  }

  // `slope`: that of the step before; null if the trace before this one has it.
  void rebuild_after(float* before, const float* trace, const float* slope) const {
    each_pack<kAbreast>(rows, width,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      using Found = Activations<kGated, decltype(count)::value>;
      const int64_t at = panel * stride + inside, target = panel * taller + inside;
      Values rate = Found::load_from(trace + at, block, step).rate();
      if constexpr (kAdamsBashforth)
        rate = extrapolated(rate, slope != nullptr
                                      ? Values::load_from(slope + at, step)
                                      : Found::load_from(trace - traced + at, block, step).rate());
      advance(Values::load_from(before + target, step), slice.step_size, rate)
          .store_to(before + stride + target, step);
    });
  }

  // The states of a chunk and its trace from the state after it, which becomes that before it.
  void take_back_chunk(const Forward& pass, int64_t first, int64_t count) const {
    place(pass.state, count);
    for (int64_t i = count - 1; i >= 0; --i) {
      float* before[kParts];
      for (int64_t part = 0; part < kParts; ++part) before[part] = states_of(part) + i * stride;
      pass.step_back(first + i, chunk_trace + i * kParts * traced, before, taller);
    }
  }

  void add_states_cotangent(int64_t t) const {
    for (int64_t part = 0; part < kParts; ++part) {
      const float* given =
          slice.states_cotangent + first_row(t) * shape.units + part * width;
      float* own = cotangent_of(part);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < width; ++j)
          own[j / kPanel * stride + r * kPanel + j % kPanel] += given[r * shape.units + j];
    }
  }

  // d (and e) of one stage of a chunk's step i; returns its part of the step size's gradient.
  // `slope_given`: the cotangent of the slope itself, or null.
  double deltas(int64_t part, const float* trace, int64_t i, const float* slope_given) const {
    float* target_cotangent = cotangent_of(part);
    const float scale = slice.step_size;
    Sum sum;
    each_pack<kAbreast>(rows, width,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const int64_t to = part * shape.chunk * block + i * stride + panel * tall + inside;
      const auto found = Activations<kGated, decltype(count)::value>::load_from(trace + at, block,
                                                                               step);
      const Values& value = found.candidate;
      const Values dt = Values::load_from(target_cotangent + at, step);
      Values through = dt;
      if constexpr (kAdamsBashforth) {
        through = extrapolated(dt, Values::load_from(later + at, step));
        dt.store_to(later + at, step);
      }
      if constexpr (kGated) through = through * found.gate;
      sum.add(through * value, inside, step, width - panel * kPanel);
      Values all = scale * through;
      if constexpr (kAdamsBashforth)
        if (slope_given != nullptr) {
          Values own = Values::load_from(slope_given + at, step);
          if constexpr (kGated) own = own * found.gate;
          all = all + own;
        }
      const Values d = all * (1.0f - value * value);
      if constexpr (kGated) {
        const Values e = all * (value * (1.0f - found.gate));
        d.store_to(candidate_delta + to, step);
        e.store_to(gate_delta + to, step);
        (d + e).store_to(delta + to, step);
      } else {
        d.store_to(delta + to, step);
      }
      if constexpr (kParts > 1) (dt - slice.diffusion * d).store_to(target_cotangent + at, step);
    });
    return sum.total();
  }

  void walk_back(int64_t first, int64_t count, const float* chunk) const {
    for (int64_t i = count - 1; i >= 0; --i) {
      const int64_t t = first + i;
      if (slice.states_cotangent != nullptr) add_states_cotangent(t);
      for (int64_t s = 0; s < kParts; ++s) {
        const asrnn::Stage& stage = shape.stages().last_but(s);
        const int64_t part = stage.target;
        const bool last = t + 1 == shape.steps;
        const float* slope_given = kAdamsBashforth && last ? slope_cotangent : nullptr;
        *slice.step_size_gradient +=
            deltas(part, chunk + (i * kParts + part) * traced, i, slope_given);
        const Term back{of(delta, part) + i * stride, tall,
                        slice.weights.recurrent + part * shape.recurrent_size(), width};
        float* source = cotangent_of(stage.source);
        Ahead ahead;
        if (slice.trace != nullptr && first > 0)
          ahead = {slice.trace + ((t - shape.chunk) * kParts + part) * traced, traced};
        multiply({{back}, 1, source, source, stride}, rows, width, ahead);
      }
    }
  }

  void weight_gradients(int64_t first, int64_t count) const {
    for (int64_t i = 0; i < count; ++i)
      drive_to_panels(slice.inputs + first_row(first + i) * shape.inputs, rows, shape.inputs,
                      drive + i * stride, tall);
    const int64_t depth = count * rows;
    for (const asrnn::Stage& stage : shape.stages()) {
      const int64_t part = stage.target;
      const float *slopes = of(delta, part), *source = source_of(stage);
      if (stage.adjoint) {
        add_outer({source, slopes, taller, tall, slice.recurrent_gradient, -1.0f}, depth, width,
                  width, outer_scratch);
      } else {
        add_outer({slopes, source, tall, taller, slice.recurrent_gradient}, depth, width, width,
                  outer_scratch);
      }
      add_outer({drive, of(candidate_delta, part), tall, tall,
                 slice.drive_gradient + part * shape.drive_size()},
                depth, shape.drive(), width, outer_scratch);
      if (kGated)
        add_outer({drive, of(gate_delta, part), tall, tall,
                   slice.gate_drive_gradient + part * shape.drive_size()},
                  depth, shape.drive(), width, outer_scratch);
    }
  }

  void diffusion_gradient(int64_t count) const {
    for (int64_t part = 0; part < kParts; ++part) {
      const float *slopes = of(candidate_delta, part), *before = states_of(part);
      Sum sum;
      each_pack<kAbreast>(count * rows, width,
                          [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
        using Values = Pack<decltype(count)::value>;
        const Values d = Values::load_from(slopes + panel * tall + inside, step);
        sum.add(d * Values::load_from(before + panel * taller + inside, step), inside, step,
                width - panel * kPanel);
      });
      *slice.diffusion_gradient -= sum.total();
    }
  }

  void inputs_gradient(int64_t first, int64_t count) const {
    Product product{{}, 0, nullptr, inputs_delta, tall};
    for (int64_t part = 0; part < kParts; ++part) {
      const int64_t skipped = part * shape.back_drive_size();
      product.terms[product.term_count++] = {of(candidate_delta, part), tall,
                                             slice.weights.drive + skipped, width};
      if (kGated)
        product.terms[product.term_count++] = {of(gate_delta, part), tall,
                                               slice.weights.gate_drive + skipped, width};
    }
    multiply(product, count * rows, shape.inputs);
    for (int64_t i = 0; i < count; ++i)
      from_panels(inputs_delta + i * stride, tall, rows, shape.inputs,
                  slice.inputs_cotangent + first_row(first + i) * shape.inputs, shape.inputs);
  }

  // A row is the parts, then the slope.
  void read_cotangents() const {
    const int64_t row = shape.carried();
    const float* from = slice.final_cotangent + slice.begin * row;
    for (int64_t part = 0; part < kParts; ++part)
      to_panels(from + part * width, row, rows, width, cotangent_of(part), stride);
    if constexpr (kAdamsBashforth) {
      to_panels(from + kParts * width, row, rows, width, slope_cotangent, stride);
      memset(later, 0, block * sizeof(float));
    }
  }

  void write_cotangents() const {
    const int64_t row = shape.carried();
    float* to = slice.initial_cotangent + slice.begin * row;
    for (int64_t part = 0; part < kParts; ++part)
      from_panels(cotangent_of(part), stride, rows, width, to + part * width, row);
    if constexpr (kAdamsBashforth) {
      if (shape.steps > 0) initial_slope_gradient();
      from_panels(slope_cotangent, stride, rows, width, to + kParts * width, row);
    }
  }

  // The first step takes half a step back along the slope before it.
  void initial_slope_gradient() const {
    const float* slope = anchor(0) + kParts * block;
    Sum sum;
    each_pack<kAbreast>(rows, width,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      const Values back = -0.5f * Values::load_from(later + at, step);
      sum.add(back * Values::load_from(slope + at, step), inside, step, width - panel * kPanel);
      (slice.step_size * back).store_to(slope_cotangent + at, step);
    });
    *slice.step_size_gradient += sum.total();
  }

  void clear() const {
    *slice.step_size_gradient = 0.0;
    if (slice.diffusion_gradient != nullptr) *slice.diffusion_gradient = 0.0;
    if (slice.recurrent_gradient == nullptr) return;
    const int64_t drives = kParts * shape.drive_size();
    memset(slice.recurrent_gradient, 0, shape.recurrent_size() * sizeof(float));
    memset(slice.drive_gradient, 0, drives * sizeof(float));
    if (kGated) memset(slice.gate_drive_gradient, 0, drives * sizeof(float));
  }

  void run() const {
    const asrnn::ForwardSlice again = forward_again();
    const Forward pass(again);
    const bool weights = slice.recurrent_gradient != nullptr;
    const bool states_wanted = weights || slice.diffusion_gradient != nullptr;
    clear();
    const bool reverse = slice.final_state != nullptr;
    if (reverse) pass.read_lines(slice.final_state);
    read_cotangents();
    for (int64_t chunk = shape.chunks() - 1; chunk >= 0; --chunk) {
      const int64_t first = chunk * shape.chunk;
      const int64_t count = smaller(shape.chunk, shape.steps - first);
      const float* trace = chunk_trace;
      if (reverse) {
        if constexpr (!kAdamsBashforth) take_back_chunk(pass, first, count);
      } else {
        if (slice.trace != nullptr) {
          trace = slice.trace + first * kParts * traced;
        } else {
          pass.trace_chunk(anchor(first), first, count, chunk_trace);
        }
        if (states_wanted) rebuild(first, count, trace);
      }
      walk_back(first, count, trace);
      if (weights) weight_gradients(first, count);
      if (slice.diffusion_gradient != nullptr) diffusion_gradient(count);
      if (slice.inputs_cotangent != nullptr) inputs_gradient(first, count);
    }
    write_cotangents();
  }
};

void backward(const asrnn::BackwardSlice& slice) { run<BackwardPass>(slice); }

}  // namespace

#endif  // ASRNN_CPU_BACKWARD_H_
