// Packing of rows: the search kernels of this machine, and the plain formats.
#include "gguf/quant.h"

#include <cmath>
#include <cstring>

#include "gguf/blocks.h"
#include "gguf/half.h"
#include "gguf/quant_search.h"

namespace owl3::gguf {

static const QuantSearch& search() {
#if defined(__x86_64__)
  static const QuantSearch& best = __builtin_cpu_supports("avx2") ? kQuantSearchAvx2 : kQuantSearchBase;
  return best;
#else
  return kQuantSearchBase;
#endif
}

static void require_finite(const float* src, int64_t n) {
  uint32_t seen = 0;  // an exponent of all ones anywhere
  for (int64_t i = 0; i < n; i++) {
    const uint32_t exponent = __builtin_bit_cast(uint32_t, src[i]) & 0x7f800000u;
    seen |= exponent == 0x7f800000u ? 1u : 0u;
  }
  if (seen) throw Error(ErrorCode::bad_model, "a value is NaN or infinite");
}

void quantize_row(DType type, const float* src, void* dst, int64_t n) {
  row_bytes(type, n);  // checks n
  const int64_t blocks = n / format(type).block_size;
  if (format(type).block_size > 1) require_finite(src, n);
  switch (type) {
    case DType::f32:
      std::memcpy(dst, src, static_cast<size_t>(n) * 4);
      return;
    case DType::f16:
    case DType::bf16:
      for (int64_t i = 0; i < n; i++) {
        const uint16_t h = type == DType::f16 ? float_to_half(src[i]) : f32_to_bf16(src[i]);
        std::memcpy(static_cast<char*>(dst) + 2 * i, &h, 2);
      }
      return;
    case DType::q8_0:
      return search().q8_0(src, dst, blocks);
    case DType::q4_0:
      return search().q4_0(src, dst, blocks);
    case DType::q5_0:
      return search().q5_0(src, dst, blocks);
    case DType::q4_k:
      return search().q4_k(src, dst, blocks);
    case DType::q5_k:
      return search().q5_k(src, dst, blocks);
    case DType::q6_k:
      return search().q6_k(src, dst, blocks);
  }
}

}  // namespace owl3::gguf
