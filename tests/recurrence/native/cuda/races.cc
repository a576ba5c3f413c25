// Both kernels of a variant on arrays of exactly their size, for the sanitizers: two sequences of
// five steps, with every operand that the variant can have and every output.

#include <cmath>
#include <cstdio>
#include <deque>
#include <vector>

#include "kernels.cu"

namespace {

constexpr int kSteps = 5, kBatch = 2, kUnits = asrnn::kUnits, kInputs = asrnn::kInputs;
constexpr int kState = kBatch * kUnits, kStates = kSteps * kState;

std::deque<std::vector<float>> arrays;

std::vector<float>& array(int size) {
  arrays.emplace_back(size);
  for (int i = 0; i < size; ++i) arrays.back()[i] = 0.5f * std::sin(static_cast<float>(i + size));
  return arrays.back();
}

asrnn::Operand operand(int size) { return {array(size).data(), 0}; }

float* output(int size) {
  std::vector<float>& values = array(size);
  values.assign(values.size(), NAN);  // each element must be written
  return values.data();
}

asrnn::ForwardArguments forward() {
  asrnn::ForwardArguments p = {};
  p.steps = kSteps;
  p.batch = kBatch;
  p.recurrent = operand(kUnits * kUnits);
  p.step_size = operand(1);
  p.initial = operand(kState);
  p.drive = operand(asrnn::kWide ? kStates : kSteps * kBatch * kInputs);
  if (asrnn::kWide && asrnn::kGated) p.gate_drive = operand(kStates);
  if (!asrnn::kWide) p.kernel = operand(kInputs * kUnits), p.bias = operand(kUnits);
  if (!asrnn::kWide && asrnn::kGated) {
    p.gate_kernel = operand(kInputs * kUnits);
    p.gate_bias = operand(kUnits);
  }
  p.last = output(kState);
  p.states = output(kStates);
  p.before = output(kStates);
  p.candidate = output(kStates);
  if (asrnn::kGated) p.gate = output(kStates);
  return p;
}

asrnn::BackwardArguments backward() {
  asrnn::BackwardArguments p = {};
  p.steps = kSteps;
  p.batch = kBatch;
  p.recurrent = operand(kUnits * kUnits);
  p.step_size = operand(1);
  p.candidate = operand(kStates);
  if (asrnn::kGated) p.gate = operand(kStates);
  p.last = operand(kState);
  p.states = operand(kStates);
  p.slopes = output(kStates);
  if (asrnn::kGated) p.gate_slopes = output(kStates);
  p.step_size_gradient = output(kState);
  p.initial_gradient = output(kState);
  if (asrnn::kWide) return p;
  p.inputs = operand(kSteps * kBatch * kInputs);
  p.kernel_gradient = output(kInputs * kState);
  p.bias_gradient = output(kState);
  if (!asrnn::kGated) return p;
  p.gate_kernel_gradient = output(kInputs * kState);
  p.gate_bias_gradient = output(kState);
  return p;
}

bool all_finite() {
  for (const std::vector<float>& values : arrays) {
    for (const float value : values) {
      if (!std::isfinite(value)) return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  const asrnn::ForwardArguments forwards = forward();
  const asrnn::BackwardArguments backwards = backward();
  if (simulate_asrnn_forward(&forwards, kBatch, asrnn::kThreads, ASRNN_FORWARD_SHARED)) return 1;
  if (simulate_asrnn_backward(&backwards, kBatch, asrnn::kThreads, ASRNN_BACKWARD_SHARED)) return 1;
  if (all_finite()) return 0;
  std::fputs("an output was not written, or is not finite\n", stderr);
  return 1;
}
