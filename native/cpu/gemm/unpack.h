// Unpacks records of weights (packed.h) to int8 blocks or floats.
#pragma once
#include "cpu/gemm/formats.h"
#include "cpu/simd/simd.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

/// Up to eight blocks of 32 columns of one panel, ready for dot products.
struct Chunk {
  const uint8_t* q[8];  // [512] in quad order: int8, or uint8 with the offset still in
  const float* scale;   // [blocks, 32 / group, 16]
  const float* min;     // [blocks, 16]
  int blocks;
};

/// One block: `q` [512] = planes, less the layout's offset if Signed. Pointers are 64-byte aligned.
template <DType T, bool Signed>
inline void join_planes(const uint8_t* low, const uint8_t* high, uint8_t* q) {
  constexpr Layout l = Record<T>::layout();
#pragma GCC unroll 4
  for (int part = 0; part < quad_parts; ++part) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      const int at = part * vector_bytes;
      Pairs v = *reinterpret_cast<const Pairs*>(low + g % 4 * 64 + at);
      v = (g < 4 ? v : v >> 4) & 0x0f0f;
      if constexpr (l.high_bits == 1) {
        const Pairs h = *reinterpret_cast<const Pairs*>(high + at);
        v |= (g <= 4 ? h << (4 - g) : h >> (g - 4)) & 0x1010;
      }
      if constexpr (l.high_bits == 2) {
        const Pairs h = *reinterpret_cast<const Pairs*>(high + g % 2 * 64 + at);
        const int shift = g / 2 * 2;
        v |= (shift <= 4 ? h << (4 - shift) : h >> (shift - 4)) & 0x3030;
      }
      Bytes out = reinterpret_cast<Bytes>(v);
      if constexpr (Signed) out -= static_cast<uint8_t>(l.offset);
      *reinterpret_cast<Bytes*>(q + 64 * g + at) = out;
    }
  }
}

/// Up to eight blocks from column k, a multiple of 256, on. q [8, 512], scale [16, 16] and min [8, 16] are scratch;
/// blocks[b] becomes the address of block b's values, in the matrix where they can be used as they stand. Unsigned: with
/// the layout's offset, as stored.
template <DType T, bool Unsigned>
__attribute__((noinline)) void unpack_blocks(const Packed& w, int64_t panel, int64_t k, int count, uint8_t* q,
                                             float* scale, float* min, const uint8_t** blocks) {
  constexpr Layout l = Record<T>::layout();
  const uint8_t* record = panel_at(w, panel) + k / l.step * l.bytes;
  for (int b = 0; b < count; ++b) blocks[b] = q + 512 * b;
  if constexpr (l.step == 256) {
    const Lanes d = load_f16(reinterpret_cast<const uint16_t*>(record));
    // Six bits unsigned, or eight signed (Q6_K).
    const int8_t* scales = reinterpret_cast<const int8_t*>(record + l.scale_at);
    for (int i = 0; i < 256 / l.group; ++i) store(scale + 16 * i, d * load_i8(scales + 16 * i));
    if constexpr (l.mins) {
      const Lanes dmin = load_f16(reinterpret_cast<const uint16_t*>(record + l.dmin_at));
      for (int b = 0; b < 8; ++b)
        store(min + 16 * b, dmin * load_i8(reinterpret_cast<const int8_t*>(record + l.min_at + 16 * b)));
    }
  }
  for (int b = 0; b < count; ++b) {
    constexpr int record_blocks = l.step / block_columns;
    const uint8_t* r = record + b / record_blocks * l.bytes;
    const int i = b % record_blocks;
    const uint8_t *low = r + l.low_at + l.low_block * i, *high = r + l.high_at + l.high_block * i;
    if constexpr (l.step == 64) store(scale + 16 * b, load_f16(reinterpret_cast<const uint16_t*>(r + 32 * i)));
    if constexpr (l.low_bits == 4) {
      join_planes<T, !Unsigned>(low, high, q + 512 * b);
    } else if (!Unsigned && w.unsigned_q8) {
      for (int at = 0; at < 512; at += vector_bytes) {
        *reinterpret_cast<Bytes*>(q + 512 * b + at) = *reinterpret_cast<const Bytes*>(low + at) ^ 0x80;
      }
    } else {
      blocks[b] = low;
    }
  }
}

/// unpack_blocks() of the matrix's format.
template <bool Unsigned>
inline void unpack_blocks(const Packed& w, int64_t panel, int64_t k, int count, uint8_t* q, float* scale, float* min,
                          const uint8_t** blocks) {
  for_quantised(w.type,
                [&](auto format) { unpack_blocks<format.type, Unsigned>(w, panel, k, count, q, scale, min, blocks); });
}

/// Columns [k, k + chunk) or what is left of them; scratch as above.
template <bool Unsigned>
inline Chunk unpack_int8(const Packed& w, int64_t panel, int64_t k, uint8_t* q, float* scale, float* min) {
  const int64_t left = (w.padded_cols - k) / 32;
  Chunk c{.q = {}, .scale = scale, .min = min, .blocks = left < 8 ? static_cast<int>(left) : 8};
  unpack_blocks<Unsigned>(w, panel, k, c.blocks, q, scale, min, c.q);
  return c;
}

/// Columns [k, k + n) as floats [n][16], n <= chunk; for quantised types just as dequantize_row has them.
inline void unpack_float(const Packed& w, int64_t panel, int64_t k, int64_t n, float* out) {
  const Layout l = layout_of(w.type);
  const uint8_t* record = panel_at(w, panel) + k / l.step * l.bytes;
  if (w.type == DType::f32) {
    __builtin_memcpy(out, record, static_cast<size_t>(n) * 64);
    return;
  }
  if (w.type == DType::f16) {
    for (int64_t i = 0; i < n; ++i) store(out + 16 * i, load_f16(reinterpret_cast<const uint16_t*>(record) + 16 * i));
    return;
  }
  typedef uint32_t Words __attribute__((vector_size(64), may_alias));
  if (w.type == DType::bf16) {
    for (int64_t i = 0; i < n; i += 2) {
      const Words v = *reinterpret_cast<const Words*>(record + 32 * i), even = v << 16, odd = v & 0xffff0000u;
      *reinterpret_cast<Words*>(out + 16 * i) = even;
      *reinterpret_cast<Words*>(out + 16 * i + 16) = odd;
    }
    return;
  }
  alignas(64) uint8_t q[8 * 512];
  alignas(64) float scale[16 * 16], min[8 * 16];
  const Chunk c = unpack_int8<false>(w, panel, k, q, scale, min);
  for (int b = 0; b < c.blocks; ++b) {
    for (int i = 0; i < 32; ++i) {
      int8_t column[16];
      for (int j = 0; j < 16; ++j) column[j] = static_cast<int8_t>(c.q[b][i / 4 * 64 + 4 * j + i % 4]);
      Lanes v = load(scale + 16 * (l.group == 16 ? 2 * b + i / 16 : b)) * load_i8(column);
      if (l.mins) v = v - load(min + 16 * b);
      store(out + 16 * (32 * b + i), v);
    }
  }
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
