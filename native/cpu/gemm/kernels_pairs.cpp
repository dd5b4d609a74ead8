// GEMM of int16 activations with Q8_0 in AVX2: vpmaddwd multiplies and adds pairs of 16 bits.
//
// Weights become pairs of int16 once for all rows of a call. A tile of six rows and sixteen outputs has
// twelve sums; of each block of 32 columns come 192 times vpmaddwd and vpaddd, then 12 times a conversion and an FMA.
// Zen 3 multiplies on two of its four vector pipes and adds on all: 26 of these products a cycle at most (peaks).
#include "cpu/gemm/ahead.h"
#include "cpu/gemm/pairs.h"
#include "cpu/gemm/rows.h"
#include "cpu/gemm/unpack.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr int pair_rows = 6;
constexpr int pair_blocks = chunk / 32;

/// Columns [k, k + chunk) of a panel, or what is left of them.
struct PairColumns {
  int16_t* q;    // [blocks][16 pairs][16 outputs][2]
  float* scale;  // [blocks, 16]
  int blocks;
};

/// Bytes in quad order as pairs, exact where signed: columns 0 and 2 of the four, then 1 and 3.
inline void quads_to_pairs(const uint8_t* quads, int16_t* pairs) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i, quads += 64, pairs += 64) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const QuadPairs q = signed_pairs(_mm256_load_si256(reinterpret_cast<const __m256i*>(quads + 32 * half)));
      __m256i* to = reinterpret_cast<__m256i*>(pairs + 16 * half);
      _mm256_store_si256(to, q.even);
      _mm256_store_si256(to + 2, q.odd);
    }
  }
}

inline void unpack_pairs(const Packed& w, int64_t panel, int64_t k, PairColumns& c) {
  alignas(64) uint8_t bytes[512 * pair_blocks];
  const uint8_t* q[pair_blocks];
  unpack_blocks<DType::q8_0, false>(w, panel, k, c.blocks, bytes, c.scale, nullptr, q);
  for (int b = 0; b < c.blocks; ++b) quads_to_pairs(q[b], c.q + 512 * b);
}

/// Rows of a call, from the first of these columns on.
struct PairInput {
  const int16_t* q;
  const float* scale;
  int64_t ldq;  // in int16; rows of scale are ldq / 256 apart
  PairInput from(int64_t row) const { return {q + row * ldq, scale + row * (ldq / 256), ldq}; }
};

template <int R>
inline void pair_tile(const PairColumns& c, const PairInput& x, float* acc) {
  __m256 part[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) part[r][0] = part[r][1] = _mm256_setzero_ps();
  for (int b = 0; b < c.blocks; ++b) {
    const int16_t *w = c.q + 512 * b, *q = x.q + 32 * b;
    __m256i sum[R][2];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32 * i)),
                    w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32 * i + 16));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m256i pair = broadcast_pair(q + r * x.ldq + 2 * i);
        if (i == 0) {
          sum[r][0] = _mm256_madd_epi16(w0, pair);
          sum[r][1] = _mm256_madd_epi16(w1, pair);
        } else {
          add_products(sum[r][0], w0, pair);
          add_products(sum[r][1], w1, pair);
        }
      }
    }
    const Lanes scale = load(c.scale + 16 * b);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      part[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][0]), scale.a, part[r][0]);
      part[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][1]), scale.b, part[r][1]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
    store(acc + 16 * r, fma(Lanes{part[r][0], part[r][1]}, splat(x.scale[r * (x.ldq / 256)]), load(acc + 16 * r)));
}

template <int R>
inline void pair_tiles(const PairColumns& c, const PairInput& x, int64_t rows, float* acc, Ahead<1>& ahead) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    ahead.fetch();
    pair_tile<R>(c, x.from(r), acc + 16 * r);
  }
  if constexpr (R > 1) {
    if (r < rows) pair_tiles<R - 1>(c, x.from(r), rows - r, acc + 16 * r, ahead);
  }
}

inline void pairs_all(const Packed& w, int64_t panel, int32_t panels, const PairRows& x, int64_t row, int64_t rows,
                      float* acc, void* scratch) {
  static_assert(chunk * 16 * 2 + pair_blocks * 16 * 4 <= scratch_bytes);
  auto* q = static_cast<int16_t*>(scratch);
  auto* scale = reinterpret_cast<float*>(q + chunk * 16);
  const int64_t ldacc = sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  for (int64_t k = 0; k < w.padded_cols; k += chunk) {  // a run of the rows stays in L2 for all panels
    const int64_t left = w.padded_cols - k;
    PairColumns c{q, scale, static_cast<int>((left < chunk ? left : chunk) / 32)};
    const PairInput in{x.q + row * x.padded + k, x.scale + (row * x.padded + k) / 256, x.padded};
    for (int32_t p = 0; p < panels; ++p) {
      unpack_pairs(w, panel + p, k, c);
      Ahead<1> ahead = columns_after<1>(w, panel, panels, p, k, chunk, rows / pair_rows + 1);
      pair_tiles<pair_rows>(c, in, rows, acc + ldacc * p, ahead);
    }
  }
}

/// x (in [-32768, 32768]) rounded to nearest even as q [16], columns exchanged (PairRows).
inline void round_to_pairs(Lanes x, int16_t* q) {
  const __m256i both = _mm256_permute4x64_epi64(  // packing works in each half of a register
      _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)), 0xd8);
  const __m256i exchange = _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15,  //
                                            0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm256_shuffle_epi8(both, exchange));
}

inline void to_pairs(const float* x, int64_t padded, const PairRows& rows, int64_t row) {
  int16_t* q = rows.q + row * rows.padded;
  float* scale = rows.scale + row * (rows.padded / 256);
  for (int64_t k = 0; k < rows.padded; k += 256, q += 256, ++scale) {
    const int64_t n = padded - k < 256 ? padded - k : 256;  // a multiple of 32
    Lanes most = splat(0);
    for (int64_t i = 0; i < n; i += 16) most = max(most, absolute(load(x + k + i)));
    const float amax = reduce_max(most);
    // Tiny values are flushed to zero, as in to_int8(). An infinite scale makes every sum infinite or NaN.
    const bool zero = !(amax > 1e-28f), infinite = amax > 3.4e38f;
    *scale = zero ? 0.0f : amax * (1 / 32767.0f);
    const Lanes inverse = splat(zero || infinite ? 0.0f : 32767.0f / amax);
    for (int64_t i = 0; i < n; i += 16) round_to_pairs(load(x + k + i) * inverse, q + i);
    for (int64_t i = n; i < 256; i += 16)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), _mm256_setzero_si256());
  }
}

}  // namespace

extern const gemm::Product<gemm::PairRows> gemm_pairs;
const gemm::Product<gemm::PairRows> gemm_pairs{.convert = to_pairs, .multiply = pairs_all};

}  // namespace owl3::cpu::OWL3_ISA
