// The two register-tiled matrix products everything else is made of, and how their operands lie.
//
// Panels: a matrix [rows, columns] is [panel][row][kPanel], columns cut into panels of kPanel; rows
// may be those of one time step inside a taller panel. Columns beyond the last are padding.
//
//   product:     out[r, j]  = start[r, j] + sum over terms, k of left[r, k] * right[k, j]
//   outer:       out[i, j] += sign * sum over rows r of left[r, i] * right[r, j]
//
// Each output element is a sum in a fixed order, whatever the tile of a product it falls into:
// results do not depend on how rows are cut.

#ifndef ASRNN_CPU_TILE_H_
#define ASRNN_CPU_TILE_H_

#include "panels.h"
#include "vector.h"

namespace {

struct Term {
  const float* left;     // panels, first row of the product
  int64_t panel_stride;  // of left, in floats
  const float* right;    // packed: panels [panel][depth][kPanel], or tiles (products.h)
  int64_t depth;
};

struct Product {
  Term terms[4];
  int term_count;
  const float* start;  // panels like out, or null for zero
  float* out;
  int64_t out_stride;  // of start and out: floats between panels
};

alignas(64) const float kZeros[kPanel] = {};

template <int kRows, int kWidth>
void product_tile(const Product& product, int64_t panel, int64_t row) {
  Vector sum[kRows][kWidth];
  ASRNN_UNROLL
  for (int r = 0; r < kRows; ++r)
    ASRNN_UNROLL
    for (int v = 0; v < kWidth; ++v) sum[r][v] = Vector{};
  for (int term = 0; term < product.term_count; ++term) {
    const Term& t = product.terms[term];
    const float* right = t.right + panel * t.depth * kPanel;
    const float* left = t.left + row * kPanel;
    for (int64_t done = 0; done < t.depth; done += kPanel, left += t.panel_stride) {
      const int64_t depth = smaller(kPanel, t.depth - done);
      for (int64_t k = 0; k < depth; ++k, right += kPanel) {
        Vector columns[kWidth];
        ASRNN_UNROLL
        for (int v = 0; v < kWidth; ++v) columns[v] = load(right + v * kLanes);
        ASRNN_UNROLL
        for (int r = 0; r < kRows; ++r)
          ASRNN_UNROLL
          for (int v = 0; v < kWidth; ++v) sum[r][v] += left[r * kPanel + k] * columns[v];
      }
    }
  }
  // Added last: the cotangent of the state is large against what a step adds to it, and n roundings
  // at its size instead of one would cost the gradients a digit over a long sequence.
  const int64_t offset = panel * product.out_stride + row * kPanel;
  const bool fresh = product.start == nullptr;
  const float* start = fresh ? kZeros : product.start + offset;
  const int64_t start_row = fresh ? 0 : kPanel;
  ASRNN_UNROLL
  for (int r = 0; r < kRows; ++r)
    ASRNN_UNROLL
    for (int v = 0; v < kWidth; ++v) {
      const int64_t at = r * kPanel + v * kLanes;
      store(product.out + offset + at, load(start + r * start_row + v * kLanes) + sum[r][v]);
    }
}

template <int kRows, int kWidth>
void outer_tile(const float* left, const float* right, int64_t rows, float sign, float* out) {
  // A tile of few elements takes the rows in turns, or each addition would wait for the last.
  constexpr int kChains = kRows * kWidth < 8 ? 8 / (kRows * kWidth) : 1;
  Vector sum[kChains][kRows][kWidth] = {};
  const auto add = [&](int chain) ASRNN_BODY {
    Vector columns[kWidth];
    ASRNN_UNROLL
    for (int v = 0; v < kWidth; ++v) columns[v] = load(right + v * kLanes);
    ASRNN_UNROLL
    for (int i = 0; i < kRows; ++i)
      ASRNN_UNROLL
      for (int v = 0; v < kWidth; ++v) sum[chain][i][v] += left[i] * columns[v];
    left += kPanel;
    right += kPanel;
  };
  int64_t r = 0;
  for (; r + kChains <= rows; r += kChains)
    ASRNN_UNROLL
    for (int chain = 0; chain < kChains; ++chain) add(chain);
  for (; r < rows; ++r) add(0);
  ASRNN_UNROLL
  for (int i = 0; i < kRows; ++i)
    ASRNN_UNROLL
    for (int v = 0; v < kWidth; ++v) {
      float* target = out + i * kPanel + v * kLanes;
      Vector all = sum[0][i][v];
      ASRNN_UNROLL
      for (int chain = 1; chain < kChains; ++chain) all += sum[chain][i][v];
      store(target, load(target) + sign * all);
    }
}

typedef void (*ProductTile)(const Product&, int64_t, int64_t);
typedef void (*OuterTile)(const float*, const float*, int64_t, float, float*);

// The tiles of every height up to kTileRows, so that any number of rows is cut evenly.
template <int kWidth, int kRows>
struct Tiles : Tiles<kWidth, kRows - 1> {
  constexpr Tiles() {
    this->product[kRows - 1] = product_tile<kRows, kWidth>;
    this->outer[kRows - 1] = outer_tile<kRows, kWidth>;
  }
};

template <int kWidth>
struct Tiles<kWidth, 0> {
  ProductTile product[kTileRows] = {};
  OuterTile outer[kTileRows] = {};
};

// constexpr: a constructor that ran when the library is loaded would use this file's instruction
// set on machines that lack it.
constexpr Tiles<1, kTileRows> kNarrowTiles;
constexpr Tiles<2, kTileRows> kWideTiles;

// Cuts `length` into the fewest pieces of at most kTileRows, as even as can be.
struct Cut {
  int64_t pieces;
  int64_t length;
  explicit Cut(int64_t length_) : pieces(ceil_div(length_, kTileRows)), length(length_) {}
  int64_t begin(int64_t piece) const { return piece * length / pieces; }
  int64_t size(int64_t piece) const { return begin(piece + 1) - begin(piece); }
};

// Memory that will be needed soon, fetched into the second-level cache a little with every tile:
// the trace is larger than the caches, and asking for a whole step of it at once would stall.
struct Ahead {
  const float* from = nullptr;
  int64_t size = 0;
  int64_t done = 0;

  template <bool kWrite>
  ASRNN_INLINE void fetch(int64_t share) {
    constexpr int64_t kLine = 16;
    for (const int64_t end = smaller(done + share, size); done < end; done += kLine)
      __builtin_prefetch(from + done, kWrite, 2);
  }
};

template <bool kWrite = false>
inline void product_panels(const Product& product, int64_t rows, int64_t columns,
                           Ahead ahead = Ahead()) {
  const Cut cut(rows);
  const int64_t share = ahead.size / (cut.pieces * ceil_div(columns, kPanel)) + 1;
  for (int64_t panel = 0; panel < ceil_div(columns, kPanel); ++panel) {
    const ProductTile* tiles =
        narrow(panel, columns) ? kNarrowTiles.product : kWideTiles.product;
    // Rows inside: the second tile of rows finds the panel of `right` in the first-level cache.
    for (int64_t piece = 0; piece < cut.pieces; ++piece) {
      ahead.fetch<kWrite>(share);
      tiles[cut.size(piece) - 1](product, panel, cut.begin(piece));
    }
  }
}

struct Outer {
  const float* left;  // panels, `left_columns` columns
  const float* right;
  int64_t left_stride, right_stride;  // floats between panels
  float* out;                         // panels [panel of right][left column][kPanel]
  float sign = 1.0f;
};

inline void outer_panels(const Outer& outer, int64_t rows, int64_t left_columns, int64_t columns) {
  for (int64_t above = 0; above < left_columns; above += kPanel) {
    const Cut cut(smaller(kPanel, left_columns - above));
    const float* left = outer.left + above / kPanel * outer.left_stride;
    for (int64_t panel = 0; panel < ceil_div(columns, kPanel); ++panel) {
      const OuterTile* tiles = narrow(panel, columns) ? kNarrowTiles.outer : kWideTiles.outer;
      const float* right = outer.right + panel * outer.right_stride;
      float* out = outer.out + (panel * left_columns + above) * kPanel;
      for (int64_t piece = 0; piece < cut.pieces; ++piece)
        tiles[cut.size(piece) - 1](left + cut.begin(piece), right, rows, outer.sign,
                                   out + cut.begin(piece) * kPanel);
    }
  }
}

}  // namespace

#endif  // ASRNN_CPU_TILE_H_
