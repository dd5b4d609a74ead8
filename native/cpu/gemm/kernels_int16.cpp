// GEMM in int16, for float weights that are multiplied with many rows (MatrixUse::bulk) under Precision::fast, at twice
// the rate of float32: weights and activations as int16 blocks of 64 columns with a scale each, products summed in int32
// by vpdpwssd.
//
// A block's largest value becomes `int16_max`, so that 64 products never overflow; what is rounded away is at most
// 2^-13.5 of the block's largest value. bfloat16 products (vdpbf16ps) have the same rate and lose up to 2^-8 of every
// value: the golden checkpoint's image_embeds are 4e-4 off float32 with int16 and 3e-3 with bfloat16 activations.
#include "cpu/gemm/kernels.h"
#include "cpu/gemm/unpack.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr float int16_max = 5792;  // floor(sqrt(2^31 / 64))
constexpr int64_t int16_pairs = int16_block / 2;

/// What turns values of at most `amax` into int16, and its reciprocal: a block that small is zero (as in to_int8).
inline __m512 int16_inverse(__m512 amax) {
  return _mm512_maskz_div_ps(_mm512_cmp_ps_mask(amax, _mm512_set1_ps(1e-30f), _CMP_GT_OQ), _mm512_set1_ps(int16_max),
                             amax);
}
inline __m512 int16_scale(__m512 amax) {
  return _mm512_maskz_div_ps(_mm512_cmp_ps_mask(amax, _mm512_set1_ps(1e-30f), _CMP_GT_OQ), amax,
                             _mm512_set1_ps(int16_max));
}

inline void to_int16(const float* x, int64_t padded, const Int16Rows& rows, int64_t row) {
  int16_t* q = rows.q + row * rows.padded;
  float* scale = rows.scale + row * (rows.padded / int16_block);
  for (int64_t k = 0; k < rows.padded; k += int16_block, q += int16_block, ++scale) {
    __m512 v[4], amax = _mm512_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = k + 16 * i < padded ? _mm512_loadu_ps(x + k + 16 * i) : _mm512_setzero_ps();
      amax = _mm512_max_ps(amax, _mm512_abs_ps(v[i]));
    }
    amax = _mm512_set1_ps(reduce_max({amax}));
    const __m512 inverse = int16_inverse(amax);
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + 16 * i),
                          _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(v[i], inverse))));
    }
    *scale = _mm512_cvtss_f32(int16_scale(amax));
  }
}

/// n <= 64 columns of a panel, even and from a block's start, as pairs of columns [n / 2][16][2] and their scales [16].
inline void weights_to_int16(const Packed& w, int64_t panel, int64_t k, int64_t n, int16_t* q, float* scale) {
  alignas(64) float values[int16_block * 16];
  unpack_float(w, panel, k, n, values);
  __m512 even = _mm512_setzero_ps(), odd = even;
  for (int64_t i = 0; i < n; i += 2) {
    even = _mm512_max_ps(even, _mm512_abs_ps(_mm512_load_ps(values + 16 * i)));
    odd = _mm512_max_ps(odd, _mm512_abs_ps(_mm512_load_ps(values + 16 * i + 16)));
  }
  const __m512 amax = _mm512_max_ps(even, odd), inverse = int16_inverse(amax);
  for (int64_t i = 0; i < n; i += 2) {
    const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_load_ps(values + 16 * i), inverse));
    const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_load_ps(values + 16 * i + 16), inverse));
    _mm512_store_si512(q + 16 * i, _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16)));
  }
  _mm512_store_ps(scale, int16_scale(amax));
}

/// sum += a's pairs times b's. By hand: GCC 12 copies the sums of the intrinsic from register to register, at half the
/// rate.
inline void add_pairs(__m512i& sum, __m512i a, __m512i b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

/// One block of R rows times P panels: `pairs` columns two by two. Weights are ldw apart, their scales lds, sums ldacc.
template <int R, int P>
inline void int16_tile(const int16_t* w, int64_t ldw, const float* w_scale, int64_t lds, const int16_t* x, int64_t ldx,
                       const float* x_scale, int64_t ldx_scale, int64_t pairs, float* acc, int64_t ldacc) {
  __m512i s[R][P];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) s[r][p] = _mm512_setzero_si512();
  }
  for (int64_t i = 0; i < pairs; ++i) {
    __m512i b[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) b[p] = _mm512_load_si512(w + p * ldw + 32 * i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i a = broadcast_four(x + r * ldx + 2 * i);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) add_pairs(s[r][p], b[p], a);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
    const __m512 scale = _mm512_load_ps(w_scale + p * lds);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float* to = acc + p * ldacc + 16 * r;
      const __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(s[r][p]), scale);
      _mm512_storeu_ps(to, _mm512_fmadd_ps(sum, _mm512_set1_ps(x_scale[r * ldx_scale]), _mm512_loadu_ps(to)));
    }
  }
}

/// A chunk of columns of some panels as int16.
struct Int16Chunk {
  int16_t* q;    // [panel][chunk / 2][16][2]
  float* scale;  // [panel][chunk / 64][16]
  int64_t columns;
};
constexpr int64_t int16_chunk = chunk * 16, int16_scales = chunk / int16_block * 16;

template <int R, int P>
inline void int16_blocks(const Int16Chunk& c, int32_t panel, const int16_t* x, int64_t ldx, const float* x_scale,
                         float* acc, int64_t ldacc) {
  for (int64_t k = 0, b = 0; k < c.columns; k += int16_block, ++b) {
    const int64_t left = c.columns - k;
    int16_tile<R, P>(c.q + panel * int16_chunk + 16 * k, int16_chunk, c.scale + panel * int16_scales + 16 * b,
                     int16_scales, x + k, ldx, x_scale + b, ldx / int16_block,
                     left < int16_block ? left / 2 : int16_pairs, acc + panel * ldacc, ldacc);
  }
}

/// Rows [0, rows) in tiles of R and, for the rest, less; in each, panels by three: 8 x 3 sums, 3 of weights, 1 of rows.
template <int R>
inline void int16_rows(const Int16Chunk& c, int32_t panels, const int16_t* x, int64_t ldx, const float* x_scale,
                       int64_t rows, float* acc, int64_t ldacc) {
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    const int16_t* q = x + r * ldx;
    const float* scale = x_scale + r * (ldx / int16_block);
    float* to = acc + 16 * r;
    int32_t p = 0;
    for (; panels - p >= 3 && panels - p != 4; p += 3) int16_blocks<R, 3>(c, p, q, ldx, scale, to, ldacc);
    for (; panels - p >= 2; p += 2) int16_blocks<R, 2>(c, p, q, ldx, scale, to, ldacc);
    if (p < panels) int16_blocks<R, 1>(c, p, q, ldx, scale, to, ldacc);
  }
  if constexpr (R > 1) {
    if (r < rows)
      int16_rows<R / 2>(c, panels, x + r * ldx, ldx, x_scale + r * (ldx / int16_block), rows - r, acc + 16 * r, ldacc);
  }
}

inline void int16_all(const Packed& w, int64_t panel, int32_t panels, const Int16Rows& x, int64_t row, int64_t rows,
                      float* acc, void* scratch) {
  auto* q = static_cast<int16_t*>(scratch);
  auto* scale = reinterpret_cast<float*>(q + int8_blocking.max_panels * int16_chunk);
  const int64_t ldacc = sums_stride(rows);
  for (int64_t i = 0; i < ldacc * panels; ++i) acc[i] = 0;
  for (int64_t k = 0; k < w.padded_cols; k += chunk) {
    const int64_t left = w.padded_cols - k, n = left < chunk ? left : chunk;
    for (int32_t p = 0; p < panels; ++p) {
      for (int64_t b = 0; b < n; b += int16_block) {
        weights_to_int16(w, panel + p, k + b, n - b < int16_block ? n - b : int16_block, q + p * int16_chunk + 16 * b,
                         scale + p * int16_scales + b / int16_block * 16);
      }
    }
    int16_rows<8>({q, scale, n}, panels, x.q + row * x.padded + k, x.padded,
                  x.scale + (row * x.padded + k) / int16_block, rows, acc, ldacc);
  }
}

}  // namespace

extern const gemm::Product<gemm::Int16Rows> gemm_int16;
const gemm::Product<gemm::Int16Rows> gemm_int16{.convert = to_int16, .multiply = int16_all};

}  // namespace owl3::cpu::OWL3_ISA
