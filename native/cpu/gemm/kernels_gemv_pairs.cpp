// GEMV of int16 activations with quantised weights in AVX2: the sums of kernels_pairs.cpp, to the bit, for few rows.
// Weights widen to 16 bits in registers.
#include "cpu/gemm/pairs.h"
#include "cpu/gemm/records.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

inline __m256i load_bytes(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline QuadPairs unsigned_pairs(__m256i bytes) {
  return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8)};
}

/// Quads i and i + 4 of a block, i < 4: outputs 0 to 7 with `half` 0, 8 to 15 with 1. Values of fewer than eight bits
/// keep the layout's offset.
template <DType T>
inline void two_quads(const uint8_t* low, const uint8_t* high, int i, int half, QuadPairs& a, QuadPairs& b) {
  constexpr Layout l = Record<T>::layout();
  const __m256i n = load_bytes(low + 64 * i + 32 * half);
  if constexpr (l.low_bits == 8) {
    a = signed_pairs(n);
    b = signed_pairs(load_bytes(low + 64 * (i + 4) + 32 * half));
    return;
  }
  if constexpr (l.high_bits == 0) {
    const __m256i mask = _mm256_set1_epi16(15);
    a = {_mm256_and_si256(n, mask), _mm256_and_si256(_mm256_srli_epi16(n, 8), mask)};
    b = {_mm256_and_si256(_mm256_srli_epi16(n, 4), mask), _mm256_srli_epi16(n, 12)};
    return;
  }
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i va = _mm256_and_si256(n, mask), vb = _mm256_and_si256(_mm256_srli_epi16(n, 4), mask);
  if constexpr (l.high_bits == 1) {
    const __m256i h = load_bytes(high + 32 * half), bit = _mm256_set1_epi8(16);
    va = _mm256_or_si256(va, _mm256_and_si256(_mm256_slli_epi16(h, 4 - i), bit));
    vb = _mm256_or_si256(vb, _mm256_and_si256(i == 0 ? h : _mm256_srli_epi16(h, i), bit));
  }
  if constexpr (l.high_bits == 2) {
    const __m256i h = load_bytes(high + i % 2 * 64 + 32 * half), bits = _mm256_set1_epi8(0x30);
    va = _mm256_or_si256(va, _mm256_and_si256(_mm256_slli_epi16(h, i < 2 ? 4 : 2), bits));
    vb = _mm256_or_si256(vb, _mm256_and_si256(i < 2 ? h : _mm256_srli_epi16(h, 2), bits));
  }
  a = unsigned_pairs(va);
  b = unsigned_pairs(vb);
}

/// Columns of a panel's records and some rows; pointers stand at the first of these columns.
struct PairTask {
  const uint8_t* record;
  int64_t blocks;
  const int16_t* q;
  const float* negsum;
  const float* scale;
  const int32_t* sum;
  int64_t ldq;
  float* acc;
};

/// R rows of a task.
template <DType T, int R, Fetch F>
inline void pair_records(const PairTask& t) {
  constexpr Layout l = Record<T>::layout();
  constexpr int groups = 32 / l.group, record_blocks = l.step / 32;
  constexpr int32_t offset = l.low_bits < 8 ? l.offset : 0;
  const uint8_t* record = t.record;
  Lanes part[R];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) part[r] = splat(0);
  for (int64_t b0 = 0; b0 < t.blocks; b0 += record_blocks, record += l.bytes) {
    const RecordFactors factors = record_factors<T>(record);
#pragma GCC unroll 2
    for (int i = 0; i < record_blocks; ++i) {
      const int64_t b = b0 + i;
      fetch<T, R, F, l.bytes / record_blocks>(record + i * (l.bytes / record_blocks));
      const uint8_t *low = record + l.low_at + l.low_block * i, *high = record + l.high_at + l.high_block * i;
      __m256i sums[R][groups][2];
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) {
        const int32_t* x = t.sum + r * (t.ldq / 16) + 2 * b;
        if constexpr (groups == 1) {
          sums[r][0][0] = sums[r][0][1] = offset ? _mm256_set1_epi32(-offset * (x[0] + x[1])) : _mm256_setzero_si256();
        } else {
          sums[r][0][0] = sums[r][0][1] = _mm256_set1_epi32(-offset * x[0]);
          sums[r][1][0] = sums[r][1][1] = _mm256_set1_epi32(-offset * x[1]);
        }
      }
#pragma GCC unroll 4
      for (int quad = 0; quad < 4; ++quad) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          QuadPairs w0, w1;
          two_quads<T>(low, high, quad, half, w0, w1);
#pragma GCC unroll 2
          for (int r = 0; r < R; ++r) {
            const int16_t* x = t.q + r * t.ldq + 32 * b + 4 * quad;
            add_products(sums[r][0][half], w0.even, broadcast_pair(x));
            add_products(sums[r][0][half], w0.odd, broadcast_pair(x + 2));
            add_products(sums[r][groups - 1][half], w1.even, broadcast_pair(x + 16));
            add_products(sums[r][groups - 1][half], w1.odd, broadcast_pair(x + 18));
          }
        }
      }
      Lanes scale[groups], min;
      block_scales<T>(record, i, factors, scale);
      if constexpr (l.mins) min = block_min<T>(record, i, factors);
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int g = 0; g < groups; ++g) {
          const Lanes sum{_mm256_cvtepi32_ps(sums[r][g][0]), _mm256_cvtepi32_ps(sums[r][g][1])};
          part[r] = fma(sum, scale[g], part[r]);
        }
        if constexpr (l.mins) part[r] = fma(min, splat(t.negsum[r * (t.ldq / 32) + b]), part[r]);
      }
    }
    const int64_t next = b0 + record_blocks;
    if (next % 8 == 0 || next >= t.blocks) {
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) {
        store(t.acc + 16 * r, fma(part[r], splat(t.scale[r * (t.ldq / 256) + b0 / 8]), load(t.acc + 16 * r)));
        part[r] = splat(0);
      }
    }
  }
}

template <DType T, Fetch F>
inline void pair_type(const Packed& w, int64_t panel, int32_t panels, const PairRows& x, int64_t row, int64_t rows,
                      float* acc) {
  constexpr Layout l = Record<T>::layout();
  const int64_t ldacc = sums_stride(rows), all = w.padded_cols / 32;
  // More rows than the registers hold take turns while a record is in L1.
  const int64_t step = rows <= gemv_tile_rows ? all : 8;
  for (int32_t p = 0; p < panels; ++p) {
    float* to = acc + ldacc * p;
    for (int64_t i = 0; i < 16 * rows; ++i) to[i] = 0;
    for (int64_t b = 0; b < all; b += step) {
      const int64_t n = all - b < step ? all - b : step;
      for (int64_t r = 0; r < rows; r += gemv_tile_rows) {
        const int64_t at = (row + r) * x.padded + 32 * b;
        const PairTask task{.record = panel_at(w, panel + p) + b * 32 / l.step * l.bytes,
                            .blocks = n,
                            .q = x.q + at,
                            .negsum = x.negsum + at / 32,
                            .scale = x.scale + at / 256,
                            .sum = x.sum + at / 16,
                            .ldq = x.padded,
                            .acc = to + 16 * r};
        if (rows - r >= 2) {
          pair_records<T, 2, F>(task);
        } else {
          pair_records<T, 1, F>(task);
        }
      }
    }
  }
}

template <Fetch F>
inline void pairs_gemv(const Packed& w, int64_t panel, int32_t panels, const PairRows& x, int64_t row, int64_t rows,
                       float* acc, void*) {
  for_quantised(w.type, [&](auto format) { pair_type<format.type, F>(w, panel, panels, x, row, rows, acc); });
}

}  // namespace

extern const gemm::ByFetch<gemm::PairRows> gemv_pairs;
const gemm::ByFetch<gemm::PairRows> gemv_pairs{.pages = pairs_gemv<Fetch::pages>, .lines = pairs_gemv<Fetch::lines>};

}  // namespace owl3::cpu::OWL3_ISA
