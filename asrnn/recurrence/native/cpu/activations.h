// tanh and the logistic function on a vector, to a few units in the last place.
//
// Both come from exp(-w), w >= 0, by w = k ln 2 + r, |r| <= ln(2)/2, and a polynomial for
// expm1(r) = r + r^2 p(r). tanh takes expm1 rather than exp so that nothing cancels near zero:
//   tanh |u| = -E / (2 + E),  E = expm1(-2|u|);   sigma(g) = {1 or e} / (1 + e),  e = exp(-|g|).
// NaN stays NaN (a comparison with NaN is false, and each clamp then keeps its argument); infinite
// arguments give the limits.

#ifndef ASRNN_CPU_ACTIVATIONS_H_
#define ASRNN_CPU_ACTIVATIONS_H_

#include "vector.h"

namespace {

constexpr float kLog2E = 1.44269504088896341f;
// ln 2 = kLn2High + kLn2Low; the high part has few bits, so that k * kLn2High is exact.
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.12194440054690583e-4f;
// Adding and subtracting 1.5 * 2^23 rounds to an integer, and leaves it in the low bits of the sum.
constexpr float kRound = 12582912.0f;
constexpr float kTanhLimit = 9.5f;    // tanh is 1 to float32 from 9.02 on
constexpr float kExpLimit = 88.0f;  // exp(-88) is subnormal: it is flushed to zero

template <typename Values>
struct Exponential {
  Values scale;  // 2^k
  Values expm1;  // expm1(r): exp(w) = scale * (1 + expm1)
};

ASRNN_INLINE Vector as_vector(Integers bits) { return reinterpret_cast<Vector>(bits); }
ASRNN_INLINE Integers as_integers(Vector value) { return reinterpret_cast<Integers>(value); }

// -|value|, but no lower than -limit.
template <int kCount>
ASRNN_INLINE Pack<kCount> minus_magnitude(const Pack<kCount>& value, float limit) {
  return each<kCount>([&](int i) {
    const Vector minus = as_vector(as_integers(value.at[i]) | INT32_MIN);
    const Vector bound = fill(-limit);
    return bound > minus ? bound : minus;
  });
}

// The magnitude of one with the sign of the other.
template <int kCount>
ASRNN_INLINE Pack<kCount> with_sign_of(const Pack<kCount>& size, const Pack<kCount>& sign) {
  return each<kCount>([&](int i) {
    return as_vector(as_integers(size.at[i]) | (as_integers(sign.at[i]) & INT32_MIN));
  });
}

template <int kCount>
ASRNN_INLINE Exponential<Pack<kCount>> exponential(const Pack<kCount>& w) {
  using Values = Pack<kCount>;
  const Values shifted = w * kLog2E + kRound;
  const Values k = shifted - kRound;
  const Values r = (w - k * kLn2High) - k * kLn2Low;
  // Minimax on |r| <= 0.347: relative error of expm1 below 2e-8.
  Values p = r * 0x1.6bebdcp-10f + 0x1.122886p-7f;
  p = p * r + 0x1.555676p-5f;
  p = p * r + 0x1.5554aep-3f;
  p = p * r + 0x1.fffffep-2f;
  const Values scale = each<kCount>([&](int i) {
    return as_vector((as_integers(shifted.at[i]) << 23) + 0x3f800000);
  });
  return {scale, r + (r * r) * p};
}

// -expm1(-2|u|), in [0, 1].
template <int kCount>
ASRNN_INLINE Pack<kCount> tanh_numerator(const Pack<kCount>& u) {
  const auto e = exponential(minus_magnitude(u, kTanhLimit) * 2.0f);
  return (1.0f - e.scale) - e.scale * e.expm1;
}

template <int kCount>
ASRNN_INLINE Pack<kCount> quotient(const Pack<kCount>& a, const Pack<kCount>& b) {
  return each<kCount>([&](int i) { return quotient(a.at[i], b.at[i]); });
}

// tanh(u), and sigma(g) if there is a gate.
template <bool kGated, int kCount>
struct Activations {
  using Values = Pack<kCount>;
  Values candidate, gate;

  ASRNN_INLINE static Activations of(const Values& u, const Values& g) {
    const Values numerator = tanh_numerator(u);
    Activations found;
    if constexpr (kGated) {
      const auto e = exponential(minus_magnitude(g, kExpLimit));
      const Values exp_g = e.scale * e.expm1 + e.scale;
      const Values gate_numerator =
          each<kCount>([&](int i) { return g.at[i] < 0.0f ? exp_g.at[i] : fill(1.0f); });
      found.gate = quotient(gate_numerator, exp_g + 1.0f);
    }
    found.candidate = with_sign_of(quotient(numerator, 2.0f - numerator), u);
    return found;
  }

  // The gates lie `apart` floats behind the candidates.
  ASRNN_INLINE static Activations load_from(const float* from, int64_t apart, int64_t step) {
    Activations found;
    found.candidate = Values::load_from(from, step);
    if constexpr (kGated) found.gate = Values::load_from(from + apart, step);
    return found;
  }
  ASRNN_INLINE void store_to(float* to, int64_t apart, int64_t step) const {
    candidate.store_to(to, step);
    if constexpr (kGated) gate.store_to(to + apart, step);
  }

  // What the state changes by in a step of size 1.
  ASRNN_INLINE Values rate() const {
    if constexpr (kGated) return candidate * gate;
    return candidate;
  }
};

}  // namespace

#endif  // ASRNN_CPU_ACTIVATIONS_H_
