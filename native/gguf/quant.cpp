// The table of formats and the switches over it, all generated from OWL3_FORMATS.
#include "gguf/quant.h"

#include <string>

#include "base/checked.h"
#include "gguf/formats/formats.h"
#include "gguf/formats/quantize.h"

namespace owl3::gguf {
namespace {

#define OWL3_ROW(type, name, number) {DType::type, #name, name::block_size, sizeof(name::Block)},
constexpr Format all_formats[] = {OWL3_FORMATS(OWL3_ROW)};
#undef OWL3_ROW

void require_finite(const float* src, int64_t n) {
  uint32_t seen = 0;  // becomes 1 where an exponent is all ones
  for (int64_t i = 0; i < n; i++) {
    const uint32_t exponent = __builtin_bit_cast(uint32_t, src[i]) & 0x7f800000u;
    seen |= exponent == 0x7f800000u ? 1u : 0u;
  }
  if (seen) throw Error(ErrorCode::bad_model, "a value is NaN or infinite");
}

}  // namespace

std::span<const Format> formats() {
  return all_formats;
}

const Format* find_format(uint32_t type) {
  for (const Format& f : all_formats)
    if (static_cast<uint32_t>(f.type) == type) return &f;
  return nullptr;
}

const Format* find_format(std::string_view name) {
  for (const Format& f : all_formats)
    if (f.name == name) return &f;
  return nullptr;
}

const Format& format(DType type) {
  const Format* f = find_format(static_cast<uint32_t>(type));
  if (!f) throw Error(ErrorCode::internal, "no format " + std::to_string(static_cast<uint32_t>(type)));
  return *f;
}

bool quantised(DType type) {
  return format(type).block_size > 1;
}

uint64_t row_bytes(DType type, int64_t cols) {
  const Format& f = format(type);
  if (cols < 0 || cols % f.block_size != 0)
    throw Error(ErrorCode::bad_model, "a row of " + std::to_string(cols) + " values is no multiple of " + f.name +
                                          "'s block of " + std::to_string(f.block_size));
  return checked_mul(static_cast<uint64_t>(cols) / f.block_size, f.block_bytes, "row");
}

void dequantize_row(DType type, const void* src, float* dst, int64_t n) {
  row_bytes(type, n);  // checks n
  switch (type) {
#define OWL3_CASE(type, name, number) \
  case DType::type:                   \
    return dequantize_blocks<name>(src, dst, n / name::block_size);
    OWL3_FORMATS(OWL3_CASE)
#undef OWL3_CASE
  }
}

Isa quantize_isa(Isa isa) {
#ifdef OWL3_QUANTIZE_AVX2
  if (isa >= Isa::avx2 && isa <= Isa::amx) return Isa::avx2;
#endif
  (void)isa;
  return Isa::scalar;
}

void quantize_row(DType type, const float* src, void* dst, int64_t n, Isa isa) {
  row_bytes(type, n);  // checks n
  if (quantised(type)) require_finite(src, n);
#ifdef OWL3_QUANTIZE_AVX2
  if (quantize_isa(isa) == Isa::avx2) return avx2::quantize(type, src, dst, n);
#endif
  (void)isa;
  scalar::quantize(type, src, dst, n);
}

}  // namespace owl3::gguf
