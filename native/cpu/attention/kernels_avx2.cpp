// Vision attention in AVX2 where bfloat16's accuracy will do: products of pairs of int16 (vpmaddwd), which have one and a
// half times the rate of float32 and lose less than bfloat16. Six query rows at a time: all scores, a softmax, then the
// weighted values.
//
// A query, a key, and a column of the values have a scale each; softmax weights have one for each row and run of keys. A
// row's sums are exact within a run of keys and are added in the order of the runs, whatever rows stand beside it.
#include "cpu/attention/softmax.h"
#include "cpu/gemm/pairs.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

constexpr int block_rows = 6;
constexpr int32_t run = 64;  // keys
// A run's products fit 31 bits: 64 * 8191 * 4095.
constexpr float weight_max = 8191, value_max = 4095;

struct Sizes {
  int32_t tokens, head_dim;
  int32_t depth;  // pairs of head_dim
  int32_t keys;   // tokens rounded up to 32
  int32_t runs;   // of keys, the last one in part
  int32_t width;  // head_dim in whole groups of eight
  float largest;  // value of a query or key: products over head_dim fit 31 bits
};

/// A factor that brings a largest value to `largest`, and its reciprocal.
struct Scale {
  float factor, scale;
};
inline Scale scale_to(float amax, float largest) {
  const bool zero = !(amax > 1e-28f);  // the reciprocal of less might be infinite
  return {zero ? 0.0f : largest / amax, zero ? 0.0f : amax / largest};
}

/// x rounded to int16, in order.
inline __m256i round_to_int16(Lanes x) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)), 0xd8);
}

/// x [head_dim] as pairs [depth] and zeros up to whole vectors; returns the scale. Two such rows' products fit 31 bits.
inline float row_to_pairs(const Sizes& n, const float* x, int16_t* to) {
  Lanes most = splat(0);
  for (int32_t d = 0; d < n.head_dim; d += 16) most = max(most, absolute(load_some(x + d, n.head_dim - d)));
  const Scale s = scale_to(reduce_max(most), n.largest);
  for (int32_t d = 0; d < n.head_dim; d += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + d),
                        round_to_int16(load_some(x + d, n.head_dim - d) * splat(s.factor)));
  }
  return s.scale;
}

/// Keys as [key / 16][depth][16 keys][2] and their scales [keys]; `row` has room for one of them.
void pack_keys(const Sizes& n, const float* k, int64_t ld, int16_t* row, int16_t* to, float* scale) {
  for (int32_t key = 0; key < n.keys; ++key) {
    int16_t* at = to + int64_t{key / 16} * 32 * n.depth + key % 16 * 2;
    if (key < n.tokens) {
      scale[key] = row_to_pairs(n, k + key * ld, row);
    } else {
      scale[key] = 0;
      __builtin_memset(row, 0, static_cast<size_t>(4 * n.depth));
    }
    for (int32_t i = 0; i < n.depth; ++i) __builtin_memcpy(at + 32 * i, row + 2 * i, 4);
  }
}

/// Eight values of row `key`, from column d on; what there is not is zero.
inline __m256 eight_values(const Sizes& n, const float* v, int64_t ld, int32_t key, int32_t d) {
  if (key >= n.tokens) return _mm256_setzero_ps();
  const float* from = v + key * ld + d;
  if (n.head_dim - d >= 8) return _mm256_loadu_ps(from);
  float rest[8] = {};
  for (int32_t i = 0; d + i < n.head_dim; ++i) rest[i] = from[i];
  return _mm256_loadu_ps(rest);
}

/// Values as [block of sixteen columns][key / 2][columns][2], the last block of eight if that is enough, and the columns'
/// scales [width].
void pack_values(const Sizes& n, const float* v, int64_t ld, int16_t* to, float* scale) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (int32_t d = 0; d < n.width; d += 8) {
    __m256 most = _mm256_setzero_ps();
    for (int32_t key = 0; key < n.tokens; ++key)
      most = _mm256_max_ps(most, _mm256_andnot_ps(sign, eight_values(n, v, ld, key, d)));
    alignas(32) float factor[8];
    _mm256_store_ps(factor, most);
    for (int32_t i = 0; i < 8; ++i) {
      const Scale s = scale_to(factor[i], value_max);
      factor[i] = s.factor;
      scale[d + i] = s.scale;
    }
    const __m256 factors = _mm256_load_ps(factor);
    const int32_t columns = n.width - d / 16 * 16 >= 16 ? 16 : 8;
    int16_t* at = to + int64_t{d / 16} * 16 * n.keys + d % 16 * 2;
    for (int32_t key = 0; key < n.keys; key += 2, at += 2 * columns) {
      const __m256i even = _mm256_cvtps_epi32(_mm256_mul_ps(eight_values(n, v, ld, key, d), factors)),
                    odd = _mm256_cvtps_epi32(_mm256_mul_ps(eight_values(n, v, ld, key + 1, d), factors));
      _mm256_store_si256(reinterpret_cast<__m256i*>(at), _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa));
    }
  }
}

/// sum [block_rows][8 P columns] = a's pairs times b [steps][8 P][2]; a's rows are lda apart.
template <int P>
inline void sum_pairs(__m256i (&sum)[block_rows][P], const int16_t* a, int64_t lda, const int16_t* b, int32_t steps) {
#pragma GCC unroll 6
  for (int r = 0; r < block_rows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) sum[r][p] = _mm256_setzero_si256();
  }
  for (int32_t i = 0; i < steps; ++i, b += 16 * P) {
    __m256i w[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) w[p] = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + 16 * p));
#pragma GCC unroll 6
    for (int r = 0; r < block_rows; ++r) {
      const __m256i pair = broadcast_pair(a + r * lda + 2 * i);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) add_products(sum[r][p], w[p], pair);
    }
  }
}

/// Base-2 scores [keys] to weights [keys] as int16 relative to the largest of their run, which counts as `shrink`
/// [runs, in whole lanes; so run_max, which is scratch]. Returns the sum of the weights as they are rounded.
inline float softmax_runs(const Sizes& n, float* s, int16_t* weights, float* run_max, float* shrink) {
  constexpr float hidden = -1e30f;
  for (int32_t key = n.tokens; key < n.keys; ++key) s[key] = hidden;
  const auto end_of = [&](int32_t begin) { return begin + run < n.keys ? begin + run : n.keys; };
  const int32_t padded = static_cast<int32_t>(round_up(n.runs, 16));
  for (int32_t i = 0; i < padded; ++i) {
    run_max[i] = hidden;
    if (i >= n.runs) continue;
    Lanes most = load(s + i * run);
    for (int32_t key = i * run + 16; key < end_of(i * run); key += 16) most = max(most, load(s + key));
    run_max[i] = reduce_max(most);
  }
  Lanes row_max = load(run_max);
  for (int32_t i = 16; i < padded; i += 16) row_max = max(row_max, load(run_max + i));
  row_max = splat(reduce_max(row_max));
  for (int32_t i = 0; i < padded; i += 16) store(shrink + i, exp2_lanes(load(run_max + i) - row_max));
  __m256 row_sum = _mm256_setzero_ps();
  for (int32_t i = 0; i < n.runs; ++i) {
    const Lanes shift = splat(run_max[i]);
    __m256i sum = _mm256_setzero_si256();
    for (int32_t key = i * run; key < end_of(i * run); key += 16) {
      const __m256i p = round_to_int16(exp2_coarse(load(s + key) - shift) * splat(weight_max));
      _mm256_store_si256(reinterpret_cast<__m256i*>(weights + key), p);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
    }
    row_sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_broadcast_ss(shrink + i), row_sum);
  }
  return reduce_add({row_sum, _mm256_setzero_ps()});
}

/// The weighted values of 8 P columns: sums [block_rows, width] from that column on.
template <int P>
inline void weigh_values(const Sizes& n, const int16_t* weights, const float* shrink, int64_t ldshrink,
                         const int16_t* v, float* sums) {
  __m256 total[block_rows][P];
#pragma GCC unroll 6
  for (int r = 0; r < block_rows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) total[r][p] = _mm256_setzero_ps();
  }
  for (int32_t i = 0; i < n.runs; ++i) {
    const int32_t begin = i * run, count = n.keys - begin < run ? n.keys - begin : run;
    __m256i sum[block_rows][P];
    sum_pairs<P>(sum, weights + begin, n.keys, v + int64_t{8} * P * begin, count / 2);
#pragma GCC unroll 6
    for (int r = 0; r < block_rows; ++r) {
      const __m256 factor = _mm256_broadcast_ss(shrink + r * ldshrink + i);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) total[r][p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][p]), factor, total[r][p]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < block_rows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) _mm256_storeu_ps(sums + r * n.width + 8 * p, total[r][p]);
  }
}

void vision(const VisionTask& t) {
  const int32_t depth = (t.head_dim + 1) / 2, keys = static_cast<int32_t>(round_up(t.tokens, 32));
  const float fits = __builtin_floorf(__builtin_sqrtf(2147483000.0f / static_cast<float>(2 * depth)));
  const Sizes n{.tokens = t.tokens,
                .head_dim = t.head_dim,
                .depth = depth,
                .keys = keys,
                .runs = (keys + run - 1) / run,
                .width = static_cast<int32_t>(round_up(t.head_dim, 8)),
                .largest = fits < 32767 ? fits : 32767};
  const int64_t ldq = round_up(t.head_dim, 16), ldshrink = round_up(n.runs, 16), key_group = int64_t{32} * n.depth;
  Partition memory{static_cast<char*>(t.scratch)};
  int16_t* q = memory.take<int16_t>(block_rows * ldq);
  int16_t* k = memory.take<int16_t>(n.keys / 16 * key_group);
  int16_t* v = memory.take<int16_t>(int64_t{n.keys} * n.width);
  int16_t* weights = memory.take<int16_t>(int64_t{block_rows} * n.keys);
  float* scores = memory.take<float>(int64_t{block_rows} * n.keys);
  float* shrink = memory.take<float>(block_rows * ldshrink);
  float* run_max = memory.take<float>(ldshrink);
  float* key_scale = memory.take<float>(n.keys);
  float* value_scale = memory.take<float>(n.width);
  float* sums = memory.take<float>(int64_t{block_rows} * n.width);
  pack_keys(n, t.k, t.ld, q, k, key_scale);
  pack_values(n, t.v, t.ld, v, value_scale);
  const float factor = log2_e / __builtin_sqrtf(static_cast<float>(n.head_dim));
  for (int32_t row = t.row_begin; row < t.row_end; row += block_rows) {
    const int32_t rows = t.row_end - row < block_rows ? t.row_end - row : block_rows;
    float query_scale[block_rows] = {};
    for (int32_t r = 0; r < block_rows; ++r) {  // rows that are missing: the last one again
      const int32_t from = r < rows ? r : rows - 1;
      query_scale[r] = factor * row_to_pairs(n, t.q + (row + from) * t.ld, q + r * ldq);
    }
    for (int32_t key = 0; key < n.keys; key += 16) {
      __m256i sum[block_rows][2];
      sum_pairs<2>(sum, q, ldq, k + key / 16 * key_group, n.depth);
      const Lanes scale = load(key_scale + key);
#pragma GCC unroll 6
      for (int r = 0; r < block_rows; ++r) {
        store(scores + int64_t{r} * n.keys + key,
              Lanes{_mm256_cvtepi32_ps(sum[r][0]), _mm256_cvtepi32_ps(sum[r][1])} * (scale * splat(query_scale[r])));
      }
    }
    float row_sum[block_rows];
    for (int32_t r = 0; r < block_rows; ++r) {
      row_sum[r] =
          softmax_runs(n, scores + int64_t{r} * n.keys, weights + int64_t{r} * n.keys, run_max, shrink + r * ldshrink);
    }
    int32_t d = 0;
    for (; d + 16 <= n.width; d += 16) weigh_values<2>(n, weights, shrink, ldshrink, v + int64_t{d} * n.keys, sums + d);
    if (d < n.width) weigh_values<1>(n, weights, shrink, ldshrink, v + int64_t{d} * n.keys, sums + d);
    for (int32_t r = 0; r < rows; ++r) {
      const float over = 1.0f / row_sum[r];
      float* out = t.out + (row + r) * t.ld_out;
      for (int32_t i = 0; i < n.head_dim; ++i) out[i] = sums[int64_t{r} * n.width + i] * value_scale[i] * over;
    }
  }
}

}  // namespace

extern const attention::Vision attention_vision;
/// The others take float32 (kernels.cpp).
const attention::Vision attention_vision{.f32 = nullptr, .split = nullptr, .bf16 = vision};

}  // namespace owl3::cpu::OWL3_ISA
