// Between the row-major arrays of the caller and the panels of a slice.

#ifndef ASRNN_CPU_PANELS_H_
#define ASRNN_CPU_PANELS_H_

#include <type_traits>

#include "vector.h"

namespace {

// Is the panel's second vector nothing but padding?
ASRNN_INLINE bool narrow(int64_t panel, int64_t columns) {
  return columns - panel * kPanel <= kLanes;
}

// packed[panel][k][kPanel] <- sign * matrix[k * row + j * column], padded with zeros.
inline void pack(const float* matrix, int64_t row, int64_t column, int64_t rows, int64_t columns,
                 float sign, float* packed) {
  for (int64_t first = 0; first < columns; first += kPanel)
    for (int64_t k = 0; k < rows; ++k, packed += kPanel)
      for (int64_t j = 0; j < kPanel; ++j)
        packed[j] =
            first + j < columns ? sign * matrix[k * row + (first + j) * column] : 0.0f;
}

inline void pack_drive(const float* kernel, int64_t row, const float* bias, int64_t rows,
                       int64_t columns, float* packed) {
  for (int64_t first = 0; first < columns; first += kPanel, packed += kPanel) {
    const int64_t width = smaller(kPanel, columns - first);
    pack(kernel + first, row, 1, rows, width, 1.0f, packed);
    packed += rows * kPanel;
    pack(bias + first, 0, 1, 1, width, 1.0f, packed);
  }
}

// Copies rows of `columns` floats, `source_row` apart, into panels `stride` apart; what is left of
// the last panel becomes zero.
inline void to_panels(const float* source, int64_t source_row, int64_t rows, int64_t columns,
                      float* panels, int64_t stride) {
  for (int64_t first = 0; first < columns; first += kPanel, panels += stride) {
    const int64_t width = smaller(kPanel, columns - first);
    for (int64_t r = 0; r < rows; ++r) {
      const float* from = source + r * source_row + first;
      float* to = panels + r * kPanel;
      if (width == kPanel) {
        memcpy(to, from, kPanel * sizeof(float));
      } else {
        for (int64_t j = 0; j < kPanel; ++j) to[j] = j < width ? from[j] : 0.0f;
      }
    }
  }
}

inline void from_panels(const float* panels, int64_t stride, int64_t rows, int64_t columns,
                        float* target, int64_t target_row) {
  for (int64_t first = 0; first < columns; first += kPanel, panels += stride) {
    const int64_t width = smaller(kPanel, columns - first);
    for (int64_t r = 0; r < rows; ++r) {
      float* to = target + r * target_row + first;
      const float* from = panels + r * kPanel;
      if (width == kPanel) {
        memcpy(to, from, kPanel * sizeof(float));
      } else {
        for (int64_t j = 0; j < width; ++j) to[j] = from[j];
      }
    }
  }
}

// The inputs of one time step with a column of ones, whose weight is the bias. What is left of the
// last panel is never read, and at one input per step clearing it would show.
inline void drive_to_panels(const float* inputs, int64_t rows, int64_t columns, float* panels,
                            int64_t stride) {
  float* ones = panels + columns / kPanel * stride + columns % kPanel;
  for (int64_t first = 0; first < columns; first += kPanel, panels += stride) {
    const int64_t width = smaller(kPanel, columns - first);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < width; ++j) panels[r * kPanel + j] = inputs[r * columns + first + j];
  }
  for (int64_t r = 0; r < rows; ++r) ones[r * kPanel] = 1.0f;
}

// Calls body(panel, offset, step, kCount) for all vectors of [rows, columns], kCount at a time:
// vector i of them lies at offset + i * step inside the panel. Vectors that are padding only are
// left out.
template <int kCount, typename Body>
ASRNN_INLINE void each_pack(int64_t rows, int64_t columns, const Body& body) {
  for (int64_t panel = 0; panel < ceil_div(columns, kPanel); ++panel) {
    const bool half = narrow(panel, columns);
    const int64_t step = half ? kPanel : kLanes;
    const int64_t count = half ? rows : 2 * rows;
    int64_t i = 0;
    for (; i + kCount <= count; i += kCount)
      body(panel, i * step, step, std::integral_constant<int, kCount>());
    for (; i < count; ++i) body(panel, i * step, step, std::integral_constant<int, 1>());
  }
}

}  // namespace

#endif  // ASRNN_CPU_PANELS_H_
