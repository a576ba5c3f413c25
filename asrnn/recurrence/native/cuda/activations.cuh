// tanh and the logistic function, to about two units in the last place, without branches.
//
// Both take 2^x and 1/x from the special function unit. tanh |u| = 1 - 2 / (exp(2|u|) + 1) loses
// digits near zero, where a polynomial takes its place. NaN stays NaN (it fails the comparison, and
// exp keeps it); infinite arguments give the limits.

#ifndef ASRNN_CUDA_ACTIVATIONS_CUH_
#define ASRNN_CUDA_ACTIVATIONS_CUH_

#include "device.cuh"

namespace asrnn {

constexpr float kLog2E = 1.44269504088896341f;

ASRNN_DEVICE float hyperbolic_tangent(float u) {
  const float size = u < 0.0f ? -u : u;
  const float large = 1.0f - 2.0f * reciprocal_approximate(
                                        exp2_approximate(size * (2.0f * kLog2E)) + 1.0f);
  // Minimax on |u| <= 0.6: tanh(u) = u + u^3 p(u^2), relative error below 2^-26.
  const float w = u * u;
  float p = -0x1.9a9c98p-8f * w + 0x1.5a5990p-6f;
  p = p * w - 0x1.b97b04p-5f;
  p = p * w + 0x1.111042p-3f;
  p = p * w - 0x1.555554p-2f;
  const float small = u + u * (w * p);
  if (size < 0.6f) return small;
  return u < 0.0f ? -large : large;
}

ASRNN_DEVICE float logistic(float v) {
  return reciprocal_approximate(1.0f + exp2_approximate(-kLog2E * v));
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_ACTIVATIONS_CUH_
