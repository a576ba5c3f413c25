// The products of a pass, and how their right operands are packed: in float32 as in tile.h, or in
// the builds with ASRNN_BFLOAT16 on the tile unit of some x86 processors (AMX), operands rounded to
// bfloat16 and sums kept in float32.
//
// An operand is the sum of kPrecision numbers in bfloat16, each the rounded rest of those before
// it. With one, a product is right to 2^-8 of its terms. With two, of which the product of the
// second parts is left out, it is right to about 2^-16, but an infinite operand has no second part
// and gives NaN:
//
//   a b ~ a1 b1                                       (1)
//   a b ~ a1 b1 + a1 b2 + a2 b1                       (2)
//
// A tile is 16 rows of 64 bytes: of the left operand 16 rows and 32 of depth, of the right operand
// 16 pairs of rows, the two numbers of a pair side by side, and 16 columns. The unit multiplies one
// by the other and adds to a tile of 16 x 16 float32. Rows, columns and depth beyond those of the
// operands are zeros there.
//
// Packed right operands: [panel][half of the panel][block of 32 of depth][part] tiles.

#ifndef ASRNN_CPU_PRODUCTS_H_
#define ASRNN_CPU_PRODUCTS_H_

#include "panels.h"
#include "tile.h"

#ifndef ASRNN_BFLOAT16

namespace {

// What a thread needs before it multiplies.
struct TileUnit {
  TileUnit() {}
};

template <bool kWrite = false>
inline void multiply(const Product& product, int64_t rows, int64_t columns,
                     Ahead ahead = Ahead()) {
  product_panels<kWrite>(product, rows, columns, ahead);
}

inline void add_outer(const Outer& outer, int64_t rows, int64_t left_columns, int64_t columns,
                      float*) {
  outer_panels(outer, rows, left_columns, columns);
}

constexpr auto pack_right_operand = pack;
constexpr auto pack_right_drive = pack_drive;

}  // namespace

#else

#include <immintrin.h>

namespace {

constexpr int kPrecision = ASRNN_BFLOAT16;
constexpr int64_t kTile = 16;       // rows, and columns of float32
constexpr int64_t kTileDepth = 32;  // a panel's columns too
static_assert(kPanel == kTileDepth);

// A product of this depth or less gains nothing, and stays in float32; so does the bias with it.
constexpr int64_t kShallow = 16;

struct alignas(64) Tile {
  uint16_t at[kTile * kTileDepth];
};
struct alignas(64) Sums {
  float at[kTile * kTile];
};

// What was stored is in memory: GCC's intrinsics do not say that a tile is loaded from there.
ASRNN_INLINE void settle() { asm volatile("" ::: "memory"); }

// The tile unit of this thread, prepared for full tiles while this lives.
class TileUnit {
 public:
  TileUnit() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const layout;
    settle();
    _tile_loadconfig(&layout);
  }
  ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;
};

ASRNN_INLINE __m512i widened(__m512 rounded) {
  return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rounded)));
}

// `first` and `second` in pairs, the first in the low half; each becomes what rounding left of it.
ASRNN_INLINE __m512i next_pairs(__m512& first, __m512& second) {
  const __m512i low = widened(first), high = _mm512_slli_epi32(widened(second), 16);
  if constexpr (kPrecision > 1) {
    first -= reinterpret_cast<__m512>(_mm512_slli_epi32(low, 16));
    second -= reinterpret_cast<__m512>(high);
  }
  return _mm512_or_si512(low, high);
}

ASRNN_INLINE void store_row(Tile* tile, int64_t row, __m512i values) {
  _mm512_store_si512(tile->at + row * kTileDepth, values);
}

ASRNN_INLINE __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << (count < 0 ? 0 : count)) - 1u);
}

// Up to 16 rows of a panel, `depth` columns of them, as a left operand.
inline void pack_left(const float* panel, int64_t rows, int64_t depth, Tile* tiles) {
  const __mmask16 lower = first_lanes(depth), upper = first_lanes(depth - kLanes);
  for (int64_t r = 0; r < kTile; ++r) {
    __m512 low = _mm512_setzero_ps(), high = low;
    if (r < rows) {
      low = _mm512_maskz_loadu_ps(lower, panel + r * kPanel);
      high = _mm512_maskz_loadu_ps(upper, panel + r * kPanel + kLanes);
    }
    for (int part = 0; part < kPrecision; ++part) {
      const __m512bh both = _mm512_cvtne2ps_pbh(high, low);
      store_row(tiles + part, r, reinterpret_cast<__m512i>(both));
      if constexpr (kPrecision > 1) {
        const __m512i bits = reinterpret_cast<__m512i>(both);
        low -= reinterpret_cast<__m512>(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm512_castsi512_si256(bits)), 16));
        high -= reinterpret_cast<__m512>(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(bits, 1)), 16));
      }
    }
  }
}

// Up to 32 rows of half a panel as a right operand.
inline void pack_right(const float* half, int64_t rows, Tile* tiles) {
  for (int64_t pair = 0; pair < kTile; ++pair) {
    __m512 first = _mm512_setzero_ps(), second = first;
    if (2 * pair < rows) first = _mm512_loadu_ps(half + 2 * pair * kPanel);
    if (2 * pair + 1 < rows) second = _mm512_loadu_ps(half + (2 * pair + 1) * kPanel);
    for (int part = 0; part < kPrecision; ++part)
      store_row(tiles + part, pair, next_pairs(first, second));
  }
}

// Rows and columns of 16 x 16 32-bit numbers exchanged.
inline void transpose(__m512i (&a)[16]) {
  __m512i b[16];
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
      a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
    }
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; ++j) {
      b[i + j] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0x88);
      b[i + j + 4] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0xdd);
    }
  for (int j = 0; j < 8; ++j) {
    a[j] = _mm512_shuffle_i32x4(b[j], b[j + 8], 0x88);
    a[j + 8] = _mm512_shuffle_i32x4(b[j], b[j + 8], 0xdd);
  }
}

// Up to 32 rows of half a panel as a left operand, whose rows are the columns here.
inline void pack_transposed(const float* half, int64_t rows, float sign, Tile* tiles) {
  __m512 first[kTile], second[kTile];
  const __m512 factor = _mm512_set1_ps(sign);
  for (int64_t pair = 0; pair < kTile; ++pair) {
    first[pair] = second[pair] = _mm512_setzero_ps();
    if (2 * pair < rows) first[pair] = factor * _mm512_loadu_ps(half + 2 * pair * kPanel);
    if (2 * pair + 1 < rows)
      second[pair] = factor * _mm512_loadu_ps(half + (2 * pair + 1) * kPanel);
  }
  for (int part = 0; part < kPrecision; ++part) {
    __m512i pairs[kTile];
    for (int64_t i = 0; i < kTile; ++i) pairs[i] = next_pairs(first[i], second[i]);
    transpose(pairs);
    for (int64_t i = 0; i < kTile; ++i) store_row(tiles + part, i, pairs[i]);
  }
}

// Two tiles of rows times the two halves of a panel, in the order of a row of the result: sums[0]
// and [1] of the first rows, [2] and [3] of the others. `left` and `right` are [2][block][part]
// tiles, the second of the two `left_apart` and `right_apart` behind the first.
inline void multiply_tiles(const Tile* left, int64_t left_apart, const Tile* right,
                           int64_t right_apart, int64_t blocks, Sums* sums) {
  constexpr int kTerms[3][2] = {{0, 0}, {0, 1}, {1, 0}};
  settle();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < blocks; ++k, left += kPrecision, right += kPrecision)
    for (int term = 0; term < (kPrecision > 1 ? 3 : 1); ++term) {
      const Tile *a = left + kTerms[term][0], *b = right + kTerms[term][1];
      _tile_loadd(4, a->at, 64);
      _tile_loadd(6, b->at, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, (b + right_apart)->at, 64);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, (a + left_apart)->at, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  _tile_stored(0, sums[0].at, 64);
  _tile_stored(1, sums[1].at, 64);
  _tile_stored(2, sums[2].at, 64);
  _tile_stored(3, sums[3].at, 64);
}

// out <- start + sums, for up to 32 rows of a panel; `start` may be null.
inline void add_sums(const Sums* sums, int64_t rows, const float* start, float* out) {
  for (int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v) {
      const int64_t at = r * kPanel + v * kLanes;
      const Vector sum = load(sums[2 * (r / kTile) + v].at + r % kTile * kTile);
      store(out + at, start == nullptr ? sum : load(start + at) + sum);
    }
}

constexpr int64_t kRowsAtOnce = 2 * kTile;
constexpr int64_t kDepthAtOnce = 8;  // blocks of a left operand that are packed together

// One term for up to 32 rows from `row` on.
template <bool kWrite>
ASRNN_INLINE void product_rows(const Term& term, const float* start, const Product& product,
                               int64_t row, int64_t rows, int64_t columns, Ahead& ahead,
                               int64_t share) {
  const int64_t blocks = ceil_div(term.depth, kTileDepth);
  Tile left[2 * kDepthAtOnce * kPrecision];
  Sums sums[4];
  for (int64_t done = 0; done < blocks; done += kDepthAtOnce) {
    const int64_t count = smaller(kDepthAtOnce, blocks - done);
    for (int64_t first = 0; first < kRowsAtOnce; first += kTile)
      for (int64_t k = 0; k < count; ++k)
        pack_left(term.left + (done + k) * term.panel_stride + (row + first) * kPanel,
                  smaller(kTile, rows - first), term.depth - (done + k) * kTileDepth,
                  left + (first / kTile * count + k) * kPrecision);
    const float* from = done > 0 ? product.out : start;
    const Tile* right = reinterpret_cast<const Tile*>(term.right) + done * kPrecision;
    for (int64_t panel = 0; panel < ceil_div(columns, kPanel); ++panel) {
      ahead.fetch<kWrite>(share);
      multiply_tiles(left, count * kPrecision, right + 2 * panel * blocks * kPrecision,
                     blocks * kPrecision, count, sums);
      const int64_t at = panel * product.out_stride + row * kPanel;
      add_sums(sums, rows, from == nullptr ? nullptr : from + at, product.out + at);
    }
  }
}

// As product_panels; the right operands of terms deeper than kShallow are tiles.
template <bool kWrite = false>
inline void multiply(const Product& product, int64_t rows, int64_t columns,
                     Ahead ahead = Ahead()) {
  Product shallow{{}, 0, product.start, product.out, product.out_stride};
  const int64_t share = ahead.size / ceil_div(columns, kPanel) / ceil_div(rows, kRowsAtOnce) + 1;
  for (int i = 0; i < product.term_count; ++i) {
    const Term& term = product.terms[i];
    if (term.depth <= kShallow) {
      shallow.terms[shallow.term_count++] = term;
      continue;
    }
    for (int64_t row = 0; row < rows; row += kRowsAtOnce)
      product_rows<kWrite>(term, shallow.start, product, row, smaller(kRowsAtOnce, rows - row),
                           columns, ahead, share);
    shallow.start = product.out;
  }
  if (shallow.term_count > 0) product_panels(shallow, rows, columns);
}

// As outer_panels; `scratch` holds both operands as tiles.
inline void add_outer(const Outer& outer, int64_t rows, int64_t left_columns, int64_t columns,
                      float* scratch) {
  if (left_columns <= kShallow) {
    outer_panels(outer, rows, left_columns, columns);
    return;
  }
  const int64_t blocks = ceil_div(rows, kTileDepth);
  const int64_t tiles = blocks * kPrecision;  // of 16 columns
  const int64_t above = ceil_div(left_columns, kPanel), across = ceil_div(columns, kPanel);
  Tile* left = reinterpret_cast<Tile*>(scratch);
  Tile* right = left + 2 * above * tiles;
  const auto each_half = [&](const float* panels, int64_t stride, int64_t count,
                             const auto& body) {
    for (int64_t half = 0; half < 2 * count; ++half)
      for (int64_t k = 0; k < blocks; ++k)
        body(panels + half / 2 * stride + half % 2 * kLanes + k * kTileDepth * kPanel,
             rows - k * kTileDepth, half * tiles + k * kPrecision);
  };
  each_half(outer.left, outer.left_stride, above,
            [&](const float* from, int64_t count, int64_t at) {
              pack_transposed(from, count, outer.sign, left + at);
            });
  each_half(outer.right, outer.right_stride, across,
            [&](const float* from, int64_t count, int64_t at) {
              pack_right(from, count, right + at);
            });
  for (int64_t panel = 0; panel < across; ++panel)
    for (int64_t i = 0; i < above; ++i) {
      Sums sums[4];
      multiply_tiles(left + 2 * i * tiles, tiles, right + 2 * panel * tiles, tiles, blocks, sums);
      float* out = outer.out + (panel * left_columns + i * kPanel) * kPanel;
      add_sums(sums, smaller(kPanel, left_columns - i * kPanel), out, out);
    }
}

// packed <- right operand of sign * matrix[k * row + j * column], with `last` (or null) as one more
// row.
inline void pack_tiles(const float* matrix, int64_t row, int64_t column, int64_t rows,
                       int64_t columns, float sign, const float* last, float* packed) {
  const int64_t depth = rows + (last == nullptr ? 0 : 1), blocks = ceil_div(depth, kTileDepth);
  Tile* tiles = reinterpret_cast<Tile*>(packed);
  for (int64_t first = 0; first < columns; first += kPanel, tiles += 2 * blocks * kPrecision)
    for (int64_t i = 0; i < blocks; ++i) {
      float block[kTileDepth * kPanel];
      const int64_t k = i * kTileDepth, width = smaller(kPanel, columns - first);
      const int64_t inside = smaller(kTileDepth, rows - k);
      if (inside > 0)
        pack(matrix + k * row + first * column, row, column, inside, width, sign, block);
      if (last != nullptr && i + 1 == blocks)
        pack(last + first, 0, 1, 1, width, 1.0f, block + (depth - 1 - k) * kPanel);
      for (int half = 0; half < 2; ++half)
        pack_right(block + half * kLanes, smaller(kTileDepth, depth - k),
                   tiles + (half * blocks + i) * kPrecision);
    }
}

inline void pack_right_operand(const float* matrix, int64_t row, int64_t column, int64_t rows,
                               int64_t columns, float sign, float* packed) {
  if (rows <= kShallow) {
    pack(matrix, row, column, rows, columns, sign, packed);
  } else {
    pack_tiles(matrix, row, column, rows, columns, sign, nullptr, packed);
  }
}

inline void pack_right_drive(const float* kernel, int64_t row, const float* bias, int64_t rows,
                             int64_t columns, float* packed) {
  if (rows + 1 <= kShallow) {
    pack_drive(kernel, row, bias, rows, columns, packed);
  } else {
    pack_tiles(kernel, row, 1, rows, columns, 1.0f, bias, packed);
  }
}

}  // namespace

#endif  // ASRNN_BFLOAT16

#endif  // ASRNN_CPU_PRODUCTS_H_
