// GEMV of int16 activations with Q8_0 in AVX2: the sums of kernels_pairs.cpp, to the bit, for few rows.
// Weights widen to 16 bits in registers.
#include "cpu/gemm/pairs.h"
#include "cpu/gemm/records.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr Layout q8_0 = Record<DType::q8_0>::layout();

/// Columns of a panel's records and some rows; pointers stand at the first of these columns.
struct PairTask {
  const uint8_t* record;
  int64_t blocks;
  const int16_t* q;
  const float* scale;
  int64_t ldq;
  float* acc;
};

/// R rows of a task.
template <int R, Fetch F>
inline void pair_records(const PairTask& t) {
  constexpr int record_blocks = q8_0.step / 32;
  const uint8_t* record = t.record;
  Lanes part[R];
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) part[r] = splat(0);
  for (int64_t b0 = 0; b0 < t.blocks; b0 += record_blocks, record += q8_0.bytes) {
#pragma GCC unroll 2
    for (int i = 0; i < record_blocks; ++i) {
      fetch<DType::q8_0, R, F, q8_0.bytes / record_blocks>(record + i * (q8_0.bytes / record_blocks));
      const uint8_t* w = record + q8_0.low_at + q8_0.low_block * i;
      __m256i sums[R][2];
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int quad = 0; quad < 8; ++quad) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          const QuadPairs q =
              signed_pairs(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 64 * quad + 32 * half)));
#pragma GCC unroll 2
          for (int r = 0; r < R; ++r) {
            const int16_t* x = t.q + r * t.ldq + 32 * (b0 + i) + 4 * quad;
            add_products(sums[r][half], q.even, broadcast_pair(x));
            add_products(sums[r][half], q.odd, broadcast_pair(x + 2));
          }
        }
      }
      const Lanes scale = load_f16(reinterpret_cast<const uint16_t*>(record + 32 * i));
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) {
        const Lanes sum{_mm256_cvtepi32_ps(sums[r][0]), _mm256_cvtepi32_ps(sums[r][1])};
        part[r] = fma(sum, scale, part[r]);
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

template <Fetch F>
inline void pairs_gemv(const Packed& w, int64_t panel, int32_t panels, const PairRows& x, int64_t row, int64_t rows,
                       float* acc, void*) {
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
        const PairTask task{.record = panel_at(w, panel + p) + b * 32 / q8_0.step * q8_0.bytes,
                            .blocks = n,
                            .q = x.q + at,
                            .scale = x.scale + at / 256,
                            .ldq = x.padded,
                            .acc = to + 16 * r};
        if (rows - r >= 2) {
          pair_records<2, F>(task);
        } else {
          pair_records<1, F>(task);
        }
      }
    }
  }
}

}  // namespace

extern const gemm::ByFetch<gemm::PairRows> gemv_pairs;
const gemm::ByFetch<gemm::PairRows> gemv_pairs{.pages = pairs_gemv<Fetch::pages>, .lines = pairs_gemv<Fetch::lines>};

}  // namespace owl3::cpu::OWL3_ISA
