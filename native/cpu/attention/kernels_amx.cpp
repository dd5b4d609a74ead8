// Vision attention on AMX tiles, 32 query rows at a time: all scores, a plain softmax, then the weighted values.
// bfloat16 operands with float32 sums; where float accuracy is asked for, every operand is split into two bfloat16 (16
// bits of mantissa) and three products are summed.
#include "cpu/attention/softmax.h"
#include "cpu/simd/amx.h"
#include "cpu/simd/bf16.h"
#include "cpu/simd/transpose.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr int32_t tile_values = 512;  // bfloat16 in a tile: 16 rows of 64 bytes
constexpr int32_t block_rows = 32;

struct Sizes {
  int32_t tokens, head_dim;
  int32_t keys;    // whole pairs of tiles
  int32_t steps;   // of 32 values of head_dim
  int32_t blocks;  // of 16 values of head_dim
};

/// Keys as B operands of q k^T: tile (group of 16 keys, step) holds pairs of values [16][16 keys][2].
template <bool Split>
void pack_keys(const Sizes& n, const float* k, int64_t ld, uint16_t* high, uint16_t* low) {
  for (int32_t key = 0; key < n.keys; key += 16) {
    for (int32_t d = 0; d < n.steps * 32; d += 32, high += tile_values, low += tile_values) {
      __m512i h[16], l[16];
      for (int32_t i = 0; i < 16; ++i) {
        const int32_t left = key + i < n.tokens ? n.head_dim - d : 0;
        const float* from = k + (key + i) * ld + d;
        const __m512 x0 = load_part(from, left), x1 = load_part(from + 16, left - 16);
        __builtin_prefetch(from + 16 * ld);  // rows lie on pages of their own: the hardware's prefetchers don't follow
        h[i] = pair_bf16(x0, x1);
        if constexpr (Split) {
          l[i] = pair_bf16(_mm512_sub_ps(x0, from_bf16(_mm512_castsi512_si256(h[i]))),
                           _mm512_sub_ps(x1, from_bf16(_mm512_extracti64x4_epi64(h[i], 1))));
        }
      }
      transpose(h);
      for (int32_t i = 0; i < 16; ++i) _mm512_storeu_si512(high + 32 * i, h[i]);
      if constexpr (Split) {
        transpose(l);
        for (int32_t i = 0; i < 16; ++i) _mm512_storeu_si512(low + 32 * i, l[i]);
      }
    }
  }
}

/// Values as B operands of p v: tile (step of 32 keys, block of 16 values) holds pairs of keys [16][16 values][2].
template <bool Split>
void pack_values(const Sizes& n, const float* v, int64_t ld, uint16_t* high, uint16_t* low) {
  for (int32_t key = 0; key < n.keys; key += 2) {
    for (int32_t b = 0; b < n.blocks; ++b) {
      const int32_t left = n.head_dim - 16 * b;
      const float* from = v + key * ld + 16 * b;
      const __m512 x0 = load_part(from, key < n.tokens ? left : 0),
                   x1 = load_part(from + ld, key + 1 < n.tokens ? left : 0);
      __builtin_prefetch(from + 16 * ld);
      __builtin_prefetch(from + 17 * ld);
      const __m256i h0 = to_bf16(x0), h1 = to_bf16(x1);
      const int64_t at = (static_cast<int64_t>(key / 32) * n.blocks + b) * tile_values + key % 32 * 16;
      _mm512_storeu_si512(high + at, pairs(h0, h1));
      if constexpr (Split) {
        _mm512_storeu_si512(
            low + at, pairs(to_bf16(_mm512_sub_ps(x0, from_bf16(h0))), to_bf16(_mm512_sub_ps(x1, from_bf16(h1)))));
      }
    }
  }
}

// Tiles 0 to 3: sums of 2 x 2; 4 and 5: 16 rows each; 6 and 7: 16 columns each.
inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
inline void load_rows(const uint16_t* a, int64_t ld) {
  _tile_loadd(4, a, ld * 2);
  _tile_loadd(5, a + 16 * ld, ld * 2);
}
template <bool Two>
inline void load_columns(const uint16_t* b, int64_t next) {
  _tile_loadd(6, b, 64);
  if constexpr (Two) _tile_loadd(7, b + next, 64);
}
template <bool Two>
inline void add_products() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  if constexpr (Two) {
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 5, 7);
  }
}
template <bool Two>
inline void store_sums(float* c, int64_t ld) {
  _tile_stored(0, c, ld * 4);
  _tile_stored(2, c + 16 * ld, ld * 4);
  if constexpr (Two) {
    _tile_stored(1, c + 16, ld * 4);
    _tile_stored(3, c + 16 * ld + 16, ld * 4);
  }
}

/// c [32, 16 or 32] = a [32, steps * 32] b: step s of b at b + s * step, its second tile of columns `next` after the
/// first.
template <bool Split, bool Two>
inline void product(const uint16_t* a, const uint16_t* a_low, int64_t lda, const uint16_t* b, const uint16_t* b_low,
                    int64_t step, int64_t next, int32_t steps, float* c, int64_t ldc) {
  zero_sums();
  for (int32_t s = 0; s < steps; ++s) {
    load_rows(a + s * 32, lda);
    load_columns<Two>(b + s * step, next);
    add_products<Two>();
    if constexpr (Split) {
      load_columns<Two>(b_low + s * step, next);
      add_products<Two>();
      load_rows(a_low + s * 32, lda);
      load_columns<Two>(b + s * step, next);
      add_products<Two>();
    }
  }
  store_sums<Two>(c, ldc);
}

/// 2^x, relative error at most 8e-5 (minimax of degree 3 on [0, 1)): the weights are rounded to bfloat16 (4e-3) right
/// after.
inline Lanes exp2_to_bf16(Lanes lanes) {
  const __m512 x = lanes.v;
  const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
  __m512 r = _mm512_set1_ps(0.0780245223f);
  r = _mm512_fmadd_ps(r, f, _mm512_set1_ps(0.226067155f));
  r = _mm512_fmadd_ps(r, f, _mm512_set1_ps(0.695833541f));
  r = _mm512_fmadd_ps(r, f, _mm512_set1_ps(0.999925218f));
  return {_mm512_scalef_ps(r, x)};  // multiplies by 2^floor(x)
}

/// softmax_row() with weights as bfloat16.
template <bool Split>
inline float softmax_bf16(const Sizes& n, float* s, uint16_t* high, uint16_t* low) {
  if constexpr (Split) {
    return softmax_row<exp2_lanes>(s, n.tokens, n.keys, [&](int32_t key, Lanes p0, Lanes p1) {
      store_bf16<true>(p0.v, high + key, low + key);
      store_bf16<true>(p1.v, high + key + 16, low + key + 16);
    });
  } else {
    return softmax_row<exp2_to_bf16>(s, n.tokens, n.keys, [&](int32_t key, Lanes p0, Lanes p1) {
      _mm512_storeu_si512(high + key, pair_bf16(p0.v, p1.v));
    });
  }
}

template <bool Split>
void vision_tiles(const VisionTask& t) {
  const Sizes n{.tokens = t.tokens,
                .head_dim = t.head_dim,
                .keys = static_cast<int32_t>(round_up(t.tokens, 32)),
                .steps = (t.head_dim + 31) / 32,
                .blocks = (t.head_dim + 15) / 16};
  Partition memory{static_cast<char*>(t.scratch)};
  const int64_t width = n.steps * 32, out_width = n.blocks * 16, parts = Split ? 2 : 1;
  uint16_t* q = memory.take<uint16_t>(parts * block_rows * width);
  uint16_t* k = memory.take<uint16_t>(parts * n.keys * width);
  uint16_t* v = memory.take<uint16_t>(parts * n.keys * out_width);
  uint16_t* weights = memory.take<uint16_t>(parts * block_rows * n.keys);
  float* scores = memory.take<float>(static_cast<int64_t>(block_rows) * n.keys);
  float* sums = memory.take<float>(block_rows * out_width);
  uint16_t* q_low = q + block_rows * width;
  uint16_t* k_low = k + n.keys * width;
  uint16_t* v_low = v + n.keys * out_width;
  uint16_t* weights_low = weights + static_cast<int64_t>(block_rows) * n.keys;

  pack_keys<Split>(n, t.k, t.ld, k, k_low);
  pack_values<Split>(n, t.v, t.ld, v, v_low);
  const __m512 scale = _mm512_set1_ps(log2_e / __builtin_sqrtf(static_cast<float>(n.head_dim)));
  configure_tiles();
  for (int32_t row = t.row_begin; row < t.row_end; row += block_rows) {
    const int32_t rows = t.row_end - row < block_rows ? t.row_end - row : block_rows;
    for (int32_t r = 0; r < block_rows; ++r) {
      for (int32_t d = 0; d < width; d += 16) {
        const float* from = t.q + (row + r) * t.ld + d;
        const __m512 x = load_part(from, r < rows ? n.head_dim - d : 0);
        __builtin_prefetch(from + block_rows * t.ld);
        store_bf16<Split>(_mm512_mul_ps(x, scale), q + r * width + d, q_low + r * width + d);
      }
    }
    for (int32_t key = 0; key < n.keys; key += 32) {
      const int64_t at = static_cast<int64_t>(key / 16) * n.steps * tile_values;
      product<Split, true>(q, q_low, width, k + at, k_low + at, tile_values, n.steps * tile_values, n.steps,
                           scores + key, n.keys);
    }
    float row_sum[block_rows];
    for (int32_t r = 0; r < block_rows; ++r) {
      const int64_t at = static_cast<int64_t>(r) * n.keys;
      row_sum[r] = softmax_bf16<Split>(n, scores + at, weights + at, weights_low + at);
    }
    const int64_t step = static_cast<int64_t>(n.blocks) * tile_values;
    int32_t b = 0;
    for (; b + 2 <= n.blocks; b += 2) {
      product<Split, true>(weights, weights_low, n.keys, v + b * tile_values, v_low + b * tile_values, step,
                           tile_values, n.keys / 32, sums + 16 * b, out_width);
    }
    if (b < n.blocks) {
      product<Split, false>(weights, weights_low, n.keys, v + b * tile_values, v_low + b * tile_values, step, 0,
                            n.keys / 32, sums + 16 * b, out_width);
    }
    for (int32_t r = 0; r < rows; ++r)
      write_output(sums + r * out_width, row_sum[r], n.head_dim, t.out + (row + r) * t.ld_out);
  }
  _tile_release();
}

}  // namespace

extern const attention::Vision attention_vision;
/// Nothing faster for float32.
const attention::Vision attention_vision{.f32 = nullptr, .split = vision_tiles<true>, .bf16 = vision_tiles<false>};

}  // namespace owl3::cpu::OWL3_ISA
