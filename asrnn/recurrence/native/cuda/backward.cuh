// The gradient of a sequence, from its last step to its first. With g_t the gradient in h_t:
//
//   delta_t = step_size z_t (1 - c_t^2) g_t        gradient in A h + V x + b
//   eta_t = step_size c_t z_t (1 - z_t) g_t        gradient in A h + Vz x + bz
//   g_{t-1} = g_t + A^T (delta_t + eta_t)
//
// The gradient in A, the sum of (delta_t + eta_t) h_{t-1}^T, is one large product afterwards.

#ifndef ASRNN_CUDA_BACKWARD_CUH_
#define ASRNN_CUDA_BACKWARD_CUH_

#include "arguments.h"
#include "matrix.cuh"
#include "sequence.cuh"

namespace asrnn {

// The sums over time of slope x^T and of slope, for the thread's unit.
class DriveGradient {
 public:
  ASRNN_METHOD void add(float slope, const float* x) {
    bias_ += slope;
    ASRNN_UNROLL
    for (int k = 0; k < kInputs; ++k) kernel_[k] += slope * x[k];
  }

  ASRNN_METHOD void write(float* kernel, float* bias, const Place& at) const {
    if (bias == nullptr || !at.real()) return;
    const long long example = static_cast<long long>(at.member) * at.batch + at.example;
    bias[example * kUnits + at.row] = bias_;
    ASRNN_UNROLL
    for (int k = 0; k < kInputs; ++k)
      kernel[(example * kInputs + k) * kUnits + at.row] = kernel_[k];
  }

 private:
  float bias_ = 0.0f;
  float kernel_[kWide ? 1 : kInputs] = {};
};

ASRNN_DEVICE void run_backward(const BackwardArguments& p) {
  const Place at(p);
  float* vectors = shared_memory();
  float* weights = vectors + 2 * kLine;
  float* ring = weights + kSharedWeights;
  // A slot: candidate, gate, gradient in the state, x.
  constexpr int kGateAt = kThreads, kStateAt = kGates * kThreads, kInputsAt = kStateAt + kThreads;

  const int last = at.steps - 1;
  const float* candidates = at.of_member(p.candidate);
  const float* gates = at.of_member(p.gate);
  const float* states = at.of_member(p.states);
  const float* inputs = at.of_member(p.inputs);
  auto fetch = [&](int step) {
    float* slot = ring + slot_of(step) * kBackwardSlot;
    fetch_own(at, slot, candidates, step);
    if (kGated) fetch_own(at, slot + kGateAt, gates, step);
    fetch_own(at, slot + kStateAt, states, step);
    if (!kWide) fetch_inputs(at, slot + kInputsAt, inputs, step);
    commit_prefetches();
  };
  for (int ahead = 0; ahead < kDepth - 1; ++ahead) fetch(last - ahead);

  const Matrix matrix = load_matrix<true>(at.of_member(p.recurrent), at.row, weights);
  const float step_size = *at.of_member(p.step_size);
  float g = at.real() ? at.of_member(p.last)[at.in_batch()] : 0.0f;
  float step_size_gradient = 0.0f;
  DriveGradient drive, gate_drive;
  clear_vectors(vectors, at.row);
  barrier();

  float* slopes = at.of_member(p.slopes, at.sequence_size());
  float* gate_slopes = at.of_member(p.gate_slopes, at.sequence_size());
  for (int step = last; step >= 0; --step) {
    await_prefetches<kDepth - 2>();
    const float* slot = ring + slot_of(step) * kBackwardSlot;
    float* vector = vectors + (step & 1) * kLine;
    float delta = 0.0f, eta = 0.0f;
    if (at.real()) {
      const float candidate = slot[at.row];
      const float gate = kGated ? slot[kGateAt + at.row] : 1.0f;
      if (states != nullptr) g += slot[kStateAt + at.row];
      const float scaled = step_size * g;
      delta = scaled * gate * (1.0f - candidate * candidate);
      if (kGated) eta = scaled * candidate * gate * (1.0f - gate);
      step_size_gradient += g * (gate * candidate);
      vector[at.row] = delta + eta;
    }
    barrier();
    const Part part = load_part(vector, at.row);
    // Nobody waits for the rest. All threads have passed this step's barrier: what was fetched for
    // it is there for all of them, and the slots of the steps done are free.
    keep(at, slopes, step, gate_slopes == nullptr ? delta + eta : delta);
    if (kGated) keep(at, gate_slopes, step, eta);
    if (!kWide && inputs != nullptr) {
      drive.add(delta, slot + kInputsAt);
      if (kGated) gate_drive.add(eta, slot + kInputsAt);
    }
    fetch(step - (kDepth - 1));
    g += product(matrix, part, at.row);
  }
  if (!at.real()) return;
  at.of_member(p.initial_gradient, at.batch_size())[at.in_batch()] = g;
  at.of_member(p.step_size_gradient, at.batch_size())[at.in_batch()] = step_size_gradient;
  drive.write(p.kernel_gradient, p.bias_gradient, at);
  if (kGated) gate_drive.write(p.gate_kernel_gradient, p.gate_bias_gradient, at);
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_BACKWARD_CUH_
