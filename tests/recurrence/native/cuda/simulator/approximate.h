// The GPU's approximate functions, as far off as their documentation allows.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace asrnn::simulator {
namespace {

inline std::uint32_t hash(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Whether the result for x lies above the exact one: a coin thrown once and for all for every x.
inline bool lies_above(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return hash(bits) & 1;
}

inline float flush(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }

// The float farthest from `exact` on one side, no farther than `bound` (where there is one).
inline float farthest(double exact, double bound, bool above) {
  const double limit = above ? exact + bound : exact - bound;
  const float found = static_cast<float>(limit);
  const bool beyond = above ? found > limit : found < limit;
  return beyond ? std::nextafterf(found, static_cast<float>(exact)) : found;
}

// ex2.approx.ftz.f32: relative error up to 2^-22; subnormal numbers are zero going in and out.
inline float exp2_off(float x) {
  x = flush(x);
  if (x == 0.0f || !std::isfinite(x)) return std::exp2(x);
  const double exact = std::exp2(static_cast<double>(x));
  return flush(farthest(exact, std::ldexp(exact, -22), lies_above(x)));
}

// rcp.approx.ftz.f32: error up to 1 ulp; subnormal numbers are zero going in and out.
inline float reciprocal_off(float x) {
  x = flush(x);
  if (x == 0.0f || !std::isfinite(x)) return 1.0f / x;
  const double exact = 1.0 / static_cast<double>(x);
  const double ulp = std::ldexp(1.0, std::ilogb(exact) - (FLT_MANT_DIG - 1));
  return flush(farthest(exact, ulp, lies_above(x)));
}

}  // namespace
}  // namespace asrnn::simulator
