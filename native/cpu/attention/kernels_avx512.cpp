// Vision attention in AVX-512, twelve query rows at a time: all scores, a plain softmax, then the weighted values.
// Float32 operands, or (where there is vdpbf16ps) bfloat16, which is what quantised weights ask for; scores and sums
// are float.
//
// Keys and values are packed once a head and stream from L2; a row's sums run over head_dim and over keys in order,
// whatever rows stand beside it.
#include "cpu/attention/softmax.h"
#include "cpu/simd/transpose.h"
#ifdef __AVX512BF16__
#include "cpu/simd/bf16.h"
#endif

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr int block_rows = tile_rows;

/// An operand is a lane of 32 bits: a float, or a pair of bfloat16 (two values of head_dim, or of two keys).
struct FloatOperands {
  static constexpr int32_t values = 1;  ///< an operand
  static __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }
  /// Sixteen operands of a row.
  static __m512i along(const float* from, int32_t left, __m512 scale) {
    return _mm512_castps_si512(_mm512_mul_ps(load_part(from, left), scale));
  }
  /// Sixteen operands across `values` rows.
  static __m512i across(const float* from, int64_t, int32_t rows, int32_t left) {
    return _mm512_castps_si512(load_part(from, rows > 0 ? left : 0));
  }
  static Lanes exp2(Lanes x) { return exp2_lanes(x); }
  static void store_weights(int32_t* to, Lanes p0, Lanes p1) {
    _mm512_store_ps(to, p0.v);
    _mm512_store_ps(to + 16, p1.v);
  }
};

#ifdef __AVX512BF16__
struct Bf16Operands {
  static constexpr int32_t values = 2;
  static __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  static __m512i along(const float* from, int32_t left, __m512 scale) {
    return pair_bf16(_mm512_mul_ps(load_part(from, left), scale),
                     _mm512_mul_ps(load_part(from + 16, left - 16), scale));
  }
  static __m512i across(const float* from, int64_t ld, int32_t rows, int32_t left) {
    return pairs(to_bf16(load_part(from, rows > 0 ? left : 0)), to_bf16(load_part(from + ld, rows > 1 ? left : 0)));
  }
  static Lanes exp2(Lanes x) { return exp2_coarse(x); }
  static void store_weights(int32_t* to, Lanes p0, Lanes p1) { _mm512_store_si512(to, pair_bf16(p0.v, p1.v)); }
};
#endif

struct Sizes {
  int32_t tokens, head_dim;
  int32_t depth;   // operands of head_dim
  int32_t keys;    // whole pairs of groups of sixteen
  int32_t blocks;  // of sixteen values
  bool narrow;     // the last block has eight values at most, and takes two operands of keys a step instead of one
  int32_t width() const { return 16 * blocks; }
};

/// Keys as [key / 16][depth][16 keys].
template <class T>
void pack_keys(const Sizes& n, const float* k, int64_t ld, int32_t* to) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (int32_t key = 0; key < n.keys; key += 16) {
    for (int32_t at = 0; at < n.depth; at += 16) {
      __m512i x[16];
      for (int32_t i = 0; i < 16; ++i) {
        const float* from = k + (key + i) * ld + T::values * at;
        x[i] = T::along(from, key + i < n.tokens ? n.head_dim - T::values * at : 0, one);
        __builtin_prefetch(from + 16 * ld);  // rows lie on pages of their own: the hardware's prefetchers don't follow
      }
      transpose(x);
      const int32_t count = n.depth - at < 16 ? n.depth - at : 16;
      for (int32_t i = 0; i < count; ++i, to += 16) _mm512_store_si512(to, x[i]);
    }
  }
}

/// Values as [block][operands of keys][16 values]; a narrow last block as [half as many][8 values][2].
template <class T>
void pack_values(const Sizes& n, const float* v, int64_t ld, int32_t* to) {
  const int32_t whole = n.blocks - (n.narrow ? 1 : 0);
  const int64_t block_size = int64_t{16} * n.keys / T::values;
  const auto at = [&](int32_t key, int32_t block) {
    const float* from = v + key * ld + 16 * block;
    for (int32_t i = 0; i < T::values; ++i) __builtin_prefetch(from + (16 + i) * ld);
    return T::across(from, ld, n.tokens - key, n.head_dim - 16 * block);
  };
  const __m512i turns = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  for (int32_t key = 0; key < n.keys; key += 2 * T::values, to += 32) {
    for (int32_t b = 0; b < whole; ++b) {
      _mm512_store_si512(to + b * block_size, at(key, b));
      _mm512_store_si512(to + b * block_size + 16, at(key + T::values, b));
    }
    if (n.narrow) {
      int32_t* half = to + whole * block_size - key / T::values * 8;
      _mm512_store_si512(half, _mm512_permutex2var_epi32(at(key, whole), turns, at(key + T::values, whole)));
    }
  }
}

/// c [block_rows, 16 P] = a [block_rows, steps] times P groups [steps][16], `group` apart; a's rows `lda`.
template <class T, int P>
inline void product(const int32_t* a, int64_t lda, const int32_t* b, int64_t group, int32_t steps, float* c,
                    int64_t ldc) {
  __m512 sum[block_rows][P];
#pragma GCC unroll 12
  for (int r = 0; r < block_rows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) sum[r][p] = _mm512_setzero_ps();
  }
  for (int32_t i = 0; i < steps; ++i) {
    __m512i x[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) x[p] = _mm512_load_si512(b + p * group + 16 * i);
#pragma GCC unroll 12
    for (int r = 0; r < block_rows; ++r) {
      const __m512i y = _mm512_set1_epi32(a[r * lda + i]);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) sum[r][p] = T::dot(sum[r][p], x[p], y);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < block_rows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) _mm512_storeu_ps(c + r * ldc + 16 * p, sum[r][p]);
  }
}

/// c [block_rows, 8] = a [block_rows, 2 steps] times b [steps][8][2].
template <class T>
inline void narrow_product(const int32_t* a, int64_t lda, const int32_t* b, int32_t steps, float* c, int64_t ldc) {
  __m512 sum[block_rows];
#pragma GCC unroll 12
  for (int r = 0; r < block_rows; ++r) sum[r] = _mm512_setzero_ps();
  for (int32_t i = 0; i < steps; ++i) {
    const __m512i x = _mm512_load_si512(b + 16 * i);
#pragma GCC unroll 12
    for (int r = 0; r < block_rows; ++r) {
      int64_t two;
      __builtin_memcpy(&two, a + r * lda + 2 * i, 8);
      sum[r] = T::dot(sum[r], x, _mm512_set1_epi64(two));
    }
  }
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
#pragma GCC unroll 12
  for (int r = 0; r < block_rows; ++r) {
    const __m512 parts = _mm512_permutexvar_ps(even, sum[r]);
    _mm256_storeu_ps(c + r * ldc, _mm256_add_ps(_mm512_castps512_ps256(parts), _mm512_extractf32x8_ps(parts, 1)));
  }
}

template <class T>
void vision(const VisionTask& t) {
  const int32_t blocks = (t.head_dim + 15) / 16, rest = t.head_dim % 16;
  const int32_t depth = (t.head_dim + T::values - 1) / T::values;
  const int32_t keys = static_cast<int32_t>(round_up(t.tokens, 32)), steps = keys / T::values;
  const Sizes n{.tokens = t.tokens,
                .head_dim = t.head_dim,
                .depth = depth,
                .keys = keys,
                .blocks = blocks,
                .narrow = rest > 0 && rest <= 8};
  Partition memory{static_cast<char*>(t.scratch)};
  const int64_t key_group = int64_t{16} * depth, value_block = int64_t{16} * steps, ldq = round_up(depth, 16);
  int32_t* q = memory.take<int32_t>(block_rows * ldq);
  int32_t* k = memory.take<int32_t>(int64_t{keys} * depth);
  int32_t* v = memory.take<int32_t>(value_block * blocks);
  int32_t* weights = memory.take<int32_t>(int64_t{block_rows} * steps);
  float* scores = memory.take<float>(int64_t{block_rows} * keys);
  float* sums = memory.take<float>(int64_t{block_rows} * n.width());
  pack_keys<T>(n, t.k, t.ld, k);
  pack_values<T>(n, t.v, t.ld, v);
  const __m512 scale = _mm512_set1_ps(log2_e / __builtin_sqrtf(static_cast<float>(n.head_dim)));
  for (int32_t row = t.row_begin; row < t.row_end; row += block_rows) {
    const int32_t rows = t.row_end - row < block_rows ? t.row_end - row : block_rows;
    for (int32_t r = 0; r < block_rows; ++r) {  // rows that are missing: zeros
      for (int32_t at = 0; at < depth; at += 16) {
        const float* from = t.q + (row + r) * t.ld + T::values * at;
        __builtin_prefetch(from + block_rows * t.ld);
        _mm512_store_si512(q + r * ldq + at, T::along(from, r < rows ? n.head_dim - T::values * at : 0, scale));
      }
    }
    for (int32_t key = 0; key < keys; key += 32)
      product<T, 2>(q, ldq, k + key / 16 * key_group, key_group, depth, scores + key, keys);
    float row_sum[block_rows];
    for (int32_t r = 0; r < block_rows; ++r)
      row_sum[r] =
          softmax_row<T::exp2>(scores + int64_t{r} * keys, n.tokens, keys, [&](int32_t key, Lanes p0, Lanes p1) {
            T::store_weights(weights + int64_t{r} * steps + key / T::values, p0, p1);
          });
    const int32_t whole = blocks - (n.narrow ? 1 : 0);
    int32_t b = 0;
    for (; b + 2 <= whole; b += 2)
      product<T, 2>(weights, steps, v + b * value_block, value_block, steps, sums + 16 * b, n.width());
    if (b < whole) product<T, 1>(weights, steps, v + b * value_block, 0, steps, sums + 16 * b, n.width());
    if (n.narrow) narrow_product<T>(weights, steps, v + whole * value_block, steps / 2, sums + 16 * whole, n.width());
    for (int32_t r = 0; r < rows; ++r)
      write_output(sums + int64_t{r} * n.width(), row_sum[r], n.head_dim, t.out + (row + r) * t.ld_out);
  }
}

}  // namespace

extern const attention::Vision attention_vision;
#ifdef __AVX512BF16__
// Float accuracy from bfloat16 would take three products, more than the one of half their rate.
const attention::Vision attention_vision{
    .f32 = vision<FloatOperands>, .split = vision<FloatOperands>, .bf16 = vision<Bf16Operands>};
#else
const attention::Vision attention_vision{
    .f32 = vision<FloatOperands>, .split = vision<FloatOperands>, .bf16 = vision<FloatOperands>};
#endif

}  // namespace owl3::cpu::OWL3_ISA
