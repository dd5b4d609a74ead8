#include "image/kernels.h"

#include <cstring>

#include "image/coefficients.h"

// The kernels have one body, which is compiled for the base instruction set of the build and (x86-64) for AVX2, where the 32-bit products are one instruction.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)  // gcc 12, clang
#define OWL3_SHUFFLE 1
#endif
#endif
#define OWL3_INLINE static inline __attribute__((always_inline))

namespace owl3::image {
namespace {

constexpr int lane_count = Kernels::lane_count;
// The sums stay below 2^31 for weights of a normalised kernel; unsigned arithmetic keeps any others defined.
using Sum = uint32_t;

OWL3_INLINE uint8_t clip8(int32_t sum) {
  const int32_t v = sum >> precision_bits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

#if OWL3_SHUFFLE
using Bytes = uint8_t __attribute__((vector_size(lane_count)));

OWL3_INLINE void interleave(const Bytes* from, Bytes* to) {
  for (int r = 0; r < lane_count / 2; r++) {
    const Bytes a = from[r], b = from[r + lane_count / 2];
    to[2 * r] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    to[2 * r + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}
#endif

OWL3_INLINE void transpose_body(const uint8_t* rows, int64_t stride, int n, int64_t bytes, uint8_t* to) {
  if (n < lane_count) {
    for (int64_t i = 0; i < bytes; i++)
      for (int r = 0; r < lane_count; r++) to[i * lane_count + r] = r < n ? rows[r * stride + i] : 0;
    return;
  }
  int64_t i = 0;
#if OWL3_SHUFFLE
  for (; i + lane_count <= bytes;
       i += lane_count) {  // a 16 x 16 tile at a time, by four rounds of interleaving its halves
    Bytes a[lane_count], b[lane_count];
    for (int r = 0; r < lane_count; r++) std::memcpy(&a[r], rows + r * stride + i, lane_count);
    interleave(a, b);
    interleave(b, a);
    interleave(a, b);
    interleave(b, a);
    std::memcpy(to + i * lane_count, a, sizeof a);
  }
#endif
  for (; i < bytes; i++)
    for (int r = 0; r < lane_count; r++) to[i * lane_count + r] = rows[r * stride + i];
}

OWL3_INLINE void column_body(const uint8_t* from, const int32_t* weight, int count, int n, int64_t stride,
                             uint8_t* to) {
  Sum sum[3 * lane_count];
  for (Sum& s : sum) s = 1u << (precision_bits - 1);
  for (int t = 0; t < count; t++, from += 3 * lane_count) {
    const Sum w = static_cast<Sum>(weight[t]);
    for (int j = 0; j < 3 * lane_count; j++) sum[j] += w * from[j];
  }
  uint8_t bytes[3 * lane_count];
  for (int j = 0; j < 3 * lane_count; j++) bytes[j] = clip8(static_cast<int32_t>(sum[j]));
  for (int r = 0; r < n; r++)
    for (int c = 0; c < 3; c++) to[r * stride + c] = bytes[c * lane_count + r];
}

OWL3_INLINE void accumulate_body(int32_t* __restrict sums, const uint8_t* __restrict row, int32_t weight, int64_t n) {
  const Sum w = static_cast<Sum>(weight);
  for (int64_t i = 0; i < n; i++) sums[i] = static_cast<int32_t>(static_cast<Sum>(sums[i]) + w * row[i]);
}

OWL3_INLINE void finish_body(const int32_t* __restrict sums, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; i++) out[i] = clip8(sums[i]);
}

#define OWL3_KERNELS(name, target)                                                                                \
  namespace name {                                                                                                \
  target void transpose(const uint8_t* rows, int64_t stride, int n, int64_t bytes, uint8_t* to) {                 \
    transpose_body(rows, stride, n, bytes, to);                                                                   \
  }                                                                                                               \
  target void column(const uint8_t* from, const int32_t* weight, int count, int n, int64_t stride, uint8_t* to) { \
    column_body(from, weight, count, n, stride, to);                                                              \
  }                                                                                                               \
  target void accumulate(int32_t* sums, const uint8_t* row, int32_t weight, int64_t n) {                          \
    accumulate_body(sums, row, weight, n);                                                                        \
  }                                                                                                               \
  target void finish(const int32_t* sums, int64_t n, uint8_t* out) {                                              \
    finish_body(sums, n, out);                                                                                    \
  }                                                                                                               \
  constexpr Kernels table{transpose, column, accumulate, finish};                                                 \
  }

OWL3_KERNELS(scalar, )
#if defined(__x86_64__)
OWL3_KERNELS(avx2, __attribute__((target("avx2"))))
#endif

}  // namespace

const Kernels& kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::avx2 && isa <= Isa::amx) return avx2::table;
#endif
  (void)isa;
  return scalar::table;
}

}  // namespace owl3::image
