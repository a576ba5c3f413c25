// tanh and the logistic function, to a few units in the last place, without branches.
//
// Both take 2^x and 1/x from the special function unit. tanh |u| = 1 - 2 / (exp(2|u|) + 1) loses
// digits near zero, where a polynomial takes its place. NaN stays NaN (it fails the comparisons, and
// exp keeps it); infinite arguments give the limits.

#ifndef ASRNN_CUDA_ACTIVATIONS_CUH_
#define ASRNN_CUDA_ACTIVATIONS_CUH_

#include "device.cuh"

namespace asrnn {

// log2(e) in two parts, and ln(2).
constexpr float kLog2E = 1.44269504088896341f;
constexpr float kLog2ELow = 1.92596299e-8f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kExpLimit = 88.0f;  // exp(-88) is the least normal number

ASRNN_DEVICE float hyperbolic_tangent(float u) {
  const float size = fabsf(u);
  const float large = 1.0f - 2.0f * reciprocal_approximate(
                                        exp2_approximate(size * (2.0f * kLog2E)) + 1.0f);
  // Minimax on |u| <= 0.6: tanh(u) = u + u^3 p(u^2), relative error below 2^-26.
  const float w = u * u;
  float p = -0x1.9a9c98p-8f * w + 0x1.5a5990p-6f;
  p = p * w - 0x1.b97b04p-5f;
  p = p * w + 0x1.111042p-3f;
  p = p * w - 0x1.555554p-2f;
  const float small = u + u * (w * p);
  return size < 0.6f ? small : copysignf(large, u);
}

ASRNN_DEVICE float logistic(float v) {
  float w = v < -kExpLimit ? kExpLimit : -v;
  w = w < -kExpLimit ? -kExpLimit : w;
  // What rounding cuts off w log2(e) is as large as w, and so would be the relative error of exp.
  const float exponent = kLog2E * w;
  const float rest = fmaf(kLog2ELow, w, fmaf(kLog2E, w, -exponent));
  const float power = exp2_approximate(exponent);
  return reciprocal_approximate(1.0f + (power + power * (kLn2 * rest)));
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_ACTIVATIONS_CUH_
