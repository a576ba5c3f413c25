// The forward pass of one slice of the batch, all time steps, stage by stage (problem.h).
//
// With a gate, the product with the source is computed once and both drives are added to it.

#ifndef ASRNN_CPU_FORWARD_H_
#define ASRNN_CPU_FORWARD_H_

#include "activations.h"
#include "panels.h"
#include "problem.h"
#include "products.h"

namespace {

// The state update; the backward pass repeats it to rebuild the states of a chunk.
template <int kCount>
ASRNN_INLINE Pack<kCount> advance(const Pack<kCount>& state, float step_size,
                                  const Pack<kCount>& rate) {
  return state + step_size * rate;
}

// Its inverse, to rounding.
template <int kCount>
ASRNN_INLINE Pack<kCount> take_back(const Pack<kCount>& state, float step_size,
                                    const Pack<kCount>& rate) {
  return state - step_size * rate;
}

// By what Adams-Bashforth advances, from the slopes now and a step away: before, or in the backward
// pass, where these are cotangents of the state, after.
template <int kCount>
ASRNN_INLINE Pack<kCount> extrapolated(const Pack<kCount>& now, const Pack<kCount>& away) {
  return 1.5f * now - 0.5f * away;
}

// kParts: of the state. A single part has its diffusion within its matrix.
template <bool kGated, int kParts, bool kAdamsBashforth>
struct ForwardPass {
  static constexpr int64_t kLines = kParts + (kAdamsBashforth ? 1 : 0);
  const asrnn::ForwardSlice& slice;
  const asrnn::Shape& shape;
  const int64_t rows, width, stride;
  const int64_t block;  // floats of one part, [rows, width], in panels
  const int64_t traced;  // floats of trace per part and step
  float *state, *slope, *candidate, *drive, *shared, *gate;

  // Holds a reference: the slice must outlive the pass.
  explicit ForwardPass(const asrnn::ForwardSlice& slice_)
      : slice(slice_),
        shape(*slice_.shape),
        rows(slice_.rows),
        width(shape.width()),
        stride(rows * kPanel),
        block(rows * shape.padded_width()),
        traced((kGated ? 2 : 1) * block) {
    state = slice.scratch;
    slope = state + kParts * block;
    candidate = state + kLines * block;
    drive = candidate + block;
    shared = drive + rows * shape.padded_drive();
    gate = shared + block;
  }

  float* part(int64_t index) const { return state + index * block; }

  Term driven(const float* weights, int64_t part) const {
    return {drive, stride, weights + part * shape.drive_size(), shape.drive()};
  }

  // The arguments of tanh and sigma. `trace` is where their values will go, or null.
  void preactivations(const asrnn::Stage& stage, const float* trace) const {
    const Ahead ahead{trace, trace == nullptr ? 0 : traced};
    const Term recurrent{part(stage.source), stride,
                         slice.weights.recurrent + stage.target * shape.recurrent_size(), width};
    const Term candidates = driven(slice.weights.drive, stage.target);
    if (!kGated) {
      const Product both{{candidates, recurrent}, 2, nullptr, candidate, stride};
      multiply<true>(both, rows, width, ahead);
      return;
    }
    const Term gates = driven(slice.weights.gate_drive, stage.target);
    multiply<true>({{recurrent}, 1, nullptr, shared, stride}, rows, width, ahead);
    multiply({{candidates}, 1, shared, candidate, stride}, rows, width);
    multiply({{gates}, 1, shared, gate, stride}, rows, width);
  }

  // Calls body(panel, place inside, step, count, activations, state) for the whole target.
  template <typename Body>
  ASRNN_INLINE void activate(const float* target, const Body& body) const {
    each_pack<kAbreast>(rows, width,
                        [&](int64_t panel, int64_t inside, int64_t step, auto count) ASRNN_BODY {
      using Values = Pack<decltype(count)::value>;
      const int64_t at = panel * stride + inside;
      Values u = Values::load_from(candidate + at, step), g = u;
      const Values h = Values::load_from(target + at, step);
      if constexpr (kParts > 1) u = u - slice.diffusion * h;
      if constexpr (kGated) g = Values::load_from(gate + at, step);
      body(panel, inside, step, h, Activations<kGated, decltype(count)::value>::of(u, g));
    });
  }

  template <bool kTraced>
  void update(float* target, float* trace) const {
    activate(target, [&](int64_t panel, int64_t inside, int64_t step, const auto& h,
                         const auto& found) ASRNN_BODY {
      const int64_t at = panel * stride + inside;
      auto rate = found.rate();
      if constexpr (kAdamsBashforth) {
        const auto before = decltype(rate)::load_from(slope + at, step);
        rate.store_to(slope + at, step);
        rate = extrapolated(rate, before);
      }
      advance(h, slice.step_size, rate).store_to(target + at, step);
      if constexpr (kTraced) found.store_to(trace + at, block, step);
    });
  }

  void load_drive(int64_t t) const {
    const int64_t first = t * shape.batch + slice.begin;
    drive_to_panels(slice.inputs + first * shape.inputs, rows, shape.inputs, drive, stride);
  }

  template <bool kTraced>
  void step(int64_t t, float* trace) const {
    load_drive(t);
    for (const asrnn::Stage& stage : shape.stages()) {
      float* own = kTraced ? trace + stage.target * traced : nullptr;
      preactivations(stage, own);
      update<kTraced>(part(stage.target), own);
    }
    if (slice.states != nullptr)
      write_lines<kParts>(slice.states + t * shape.batch * shape.units);
  }

  // One chunk from its anchor, as the backward pass needs it.
  void trace_chunk(const float* anchor, int64_t first, int64_t count, float* trace) const {
    memcpy(state, anchor, kLines * block * sizeof(float));
    for (int64_t i = 0; i < count; ++i) step<true>(first + i, trace + i * kParts * traced);
  }

  // The step before the state at hand: its trace, and what each part was before it, which goes to
  // `before` too, panels `tall` apart. The stages in reverse order, each with the source it saw.
  void step_back(int64_t t, float* trace, float* const before[kParts], int64_t tall) const {
    static_assert(!kAdamsBashforth, "its steps are not taken back");
    load_drive(t);
    for (int64_t i = 0; i < kParts; ++i) {
      const asrnn::Stage& stage = shape.stages().last_but(i);
      float *target = part(stage.target), *own = trace + stage.target * traced;
      float* kept = before[stage.target];
      preactivations(stage, nullptr);
      activate(target, [&](int64_t panel, int64_t inside, int64_t step, const auto& h,
                           const auto& found) ASRNN_BODY {
        const int64_t at = panel * stride + inside;
        const auto earlier = take_back(h, slice.step_size, found.rate());
        earlier.store_to(target + at, step);
        earlier.store_to(kept + panel * tall + inside, step);
        found.store_to(own + at, block, step);
      });
    }
  }

  // The lines beside each other in a row, the state's parts first.
  void read_lines(const float* from) const {
    for (int64_t i = 0; i < kLines; ++i)
      to_panels(from + (slice.begin * kLines + i) * width, kLines * width, rows, width, part(i),
                stride);
  }

  template <int64_t kCount>
  void write_lines(float* to) const {
    for (int64_t i = 0; i < kCount; ++i)
      from_panels(part(i), stride, rows, width, to + (slice.begin * kCount + i) * width,
                  kCount * width);
  }

  void run() const {
    const int64_t all = kLines * block;
    read_lines(slice.initial);
    for (int64_t t = 0; t < shape.steps; ++t) {
      if (slice.anchors != nullptr && t % shape.chunk == 0)
        memcpy(slice.anchors + t / shape.chunk * all, state, all * sizeof(float));
      if (slice.trace != nullptr) {
        step<true>(t, slice.trace + t * kParts * traced);
      } else {
        step<false>(t, nullptr);
      }
    }
    write_lines<kLines>(slice.final_state);
  }
};

// Runs one of the six passes.
template <template <bool, int, bool> class Pass, typename Slice>
void run(const Slice& slice) {
  const TileUnit ready;
  const bool gated = slice.shape->gated;
  if (slice.shape->adams_bashforth) {
    gated ? Pass<true, 1, true>(slice).run() : Pass<false, 1, true>(slice).run();
  } else if (slice.shape->parts == 1) {
    gated ? Pass<true, 1, false>(slice).run() : Pass<false, 1, false>(slice).run();
  } else {
    gated ? Pass<true, 2, false>(slice).run() : Pass<false, 2, false>(slice).run();
  }
}

void forward(const asrnn::ForwardSlice& slice) { run<ForwardPass>(slice); }

}  // namespace

#endif  // ASRNN_CPU_FORWARD_H_
