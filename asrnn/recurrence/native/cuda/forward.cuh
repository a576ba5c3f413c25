// The states of a sequence: h_t = h_{t-1} + step_size * gate_t * candidate_t.

#ifndef ASRNN_CUDA_FORWARD_CUH_
#define ASRNN_CUDA_FORWARD_CUH_

#include "activations.cuh"
#include "arguments.h"
#include "matrix.cuh"
#include "sequence.cuh"

namespace asrnn {

// V x + b of the thread's unit: fetched, or computed from x with V and b in shared memory, where
// each thread reads what it wrote: the registers are needed for A.
class Drive {
 public:
  ASRNN_METHOD Drive(float* shared, const float* kernel, const float* bias, const Place& at)
      : own_(shared + at.row) {
    if (kWide || !at.real()) return;
    own_[0] = bias[at.row];
    ASRNN_UNROLL
    for (int k = 0; k < kInputs; ++k) own_[(k + 1) * kThreads] = kernel[k * kUnits + at.row];
  }

  // `slot` holds x, or the thread's own value. Not for threads beyond the last unit.
  ASRNN_METHOD float operator()(const float* slot, int row) const {
    if (kWide) return slot[row];
    float sum = own_[0];
    ASRNN_UNROLL
    for (int k = 0; k < kInputs; ++k) sum += own_[(k + 1) * kThreads] * slot[k];
    return sum;
  }

 private:
  float* own_;
};

ASRNN_DEVICE void run_forward(const ForwardArguments& p) {
  const Place at(p);
  float* vectors = shared_memory();
  float* weights = vectors + 2 * kLine;
  float* drives = weights + kSharedWeights;
  float* ring = drives + kGates * kDrive;

  const float* source = at.of_member(p.drive);
  const float* gate_source = at.of_member(p.gate_drive);
  auto fetch = [&](int step) {
    float* slot = ring + slot_of(step) * kForwardSlot;
    if (kWide) fetch_own(at, slot, source, step);
    if (kWide && kGated) fetch_own(at, slot + kThreads, gate_source, step);
    if (!kWide) fetch_inputs(at, slot, source, step);
    commit_prefetches();
  };
  for (int step = 0; step < kDepth - 1; ++step) fetch(step);

  const Matrix matrix = load_matrix<false>(at.of_member(p.recurrent), at.row, weights);
  const Drive drive(drives, at.of_member(p.kernel), at.of_member(p.bias), at);
  const Drive gate_drive(drives + (kGates - 1) * kDrive,
                         at.of_member(kGated ? p.gate_kernel : p.kernel),
                         at.of_member(kGated ? p.gate_bias : p.bias), at);
  const float step_size = *at.of_member(p.step_size);
  float h = at.real() ? at.of_member(p.initial)[at.in_batch()] : 0.0f;
  clear_vectors(vectors, at.row);
  if (at.real()) vectors[at.row] = h;
  await_prefetches<kDepth - 2>();
  barrier();

  float* states = at.of_member(p.states, at.sequence_size());
  float* before = at.of_member(p.before, at.sequence_size());
  float* candidates = at.of_member(p.candidate, at.sequence_size());
  float* gates = at.of_member(p.gate, at.sequence_size());
  float candidate = 0.0f, gate = 1.0f, last = h;
  auto write = [&](int step) {
    keep(at, before, step, last);
    keep(at, candidates, step, candidate);
    if (kGated) keep(at, gates, step, gate);
    keep(at, states, step, h);
  };
  float* now = vectors;
  float* next = vectors + kLine;
  for (int step = 0; step < at.steps; ++step) {
    const Part part = load_part(now, at.row);
    // What the step before left to do, now that nobody waits for it. All threads have passed its
    // barrier, so its slot is free.
    write(step - 1);
    fetch(step + kDepth - 1);
    const float recurrent = product(matrix, part, at.row);
    if (at.real()) {
      const float* slot = ring + slot_of(step) * kForwardSlot;
      candidate = hyperbolic_tangent(recurrent + drive(slot, at.row));
      if (kGated)
        gate = logistic(recurrent + gate_drive(slot + (kWide ? kThreads : 0), at.row));
      last = h;
      h += step_size * (kGated ? gate * candidate : candidate);
      next[at.row] = h;
    }
    float* const read = now;
    now = next;
    next = read;
    await_prefetches<kDepth - 2>();
    barrier();
  }
  write(at.steps - 1);
  if (at.real()) at.of_member(p.last, at.batch_size())[at.in_batch()] = h;
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_FORWARD_CUH_
