// What the matrix kernels know about each format: the layout of its records (packed.h) and how a block of a file becomes
// a part of one. A new format is a Record here; unpacking for GEMM (unpack.h), for GEMV (kernels_gemv.cpp) and of single
// rows (pack.cpp) follow from its layout.
#pragma once
#include <cstring>

#include "cpu/gemm/packed.h"
#include "gguf/formats/formats.h"

namespace owl3::cpu::gemm {

/// What a record says about one of its 16 rows, on the way from a file.
struct RecordRow {
  uint16_t d[2];        ///< IEEE halves: the scale of each block (steps of 64), or of the record
  uint16_t dmin;        ///< IEEE half
  uint8_t scale[16];    ///< of each group, where steps are of 256
  uint8_t min[8];       ///< of each group
  uint8_t values[256];  ///< [step], unsigned: with the layout's offset
};

namespace layouts {

static consteval Layout floats(int32_t value_bytes) {
  return {.step = 32, .bytes = 32 * panel_rows * value_bytes};
}

struct Quantised {
  int32_t step = 256, group = 32, offset = 0;
  bool mins = false;
  int32_t low_bits = 4, high_bits = 0;
};

/// Scales, then the low and the high plane.
static consteval Layout quantised(Quantised q) {
  const int32_t blocks = q.step / block_columns;
  Layout l{.step = q.step,
           .quantised = true,
           .group = q.group,
           .offset = q.offset,
           .mins = q.mins,
           .low_bits = q.low_bits,
           .high_bits = q.high_bits};
  if (q.step == 256) {
    l.dmin_at = 2 * panel_rows;
    l.scale_at = l.dmin_at + 2 * panel_rows;
    l.min_at = l.scale_at + blocks * panel_rows;  // where there are mins, there are eight scales
    l.low_at = l.scale_at + 16 * panel_rows;
  } else {
    l.low_at = blocks * 2 * panel_rows;
  }
  l.low_block = block_columns * panel_rows * q.low_bits / 8;
  l.high_at = l.low_at + blocks * l.low_block;
  l.high_block = block_columns * panel_rows * q.high_bits / 8;
  l.bytes = l.high_at + blocks * l.high_block;
  return l;
}

}  // namespace layouts

/// layout() and, for quantised formats, `Block` and read(block, i, row): block i of a record's blocks in a file. Formats
/// of 32 values have two of them in a record, the others one.
template <DType T>
struct Record;
/// A format as a value, for calls that are chosen by it.
template <DType T>
struct TypeOf {
  static constexpr DType type = T;
};

template <>
struct Record<DType::f32> {
  static consteval Layout layout() { return layouts::floats(4); }
};
template <>
struct Record<DType::f16> {
  static consteval Layout layout() { return layouts::floats(2); }
};
template <>
struct Record<DType::bf16> {
  static consteval Layout layout() { return layouts::floats(2); }
};

template <>
struct Record<DType::q8_0> {
  static consteval Layout layout() { return layouts::quantised({.step = 64, .offset = 128, .low_bits = 8}); }
  using Block = gguf::BlockQ8_0;
  static void read(const Block& b, int i, RecordRow& row) {
    row.d[i] = b.d;
    for (int k = 0; k < 32; k++) row.values[32 * i + k] = static_cast<uint8_t>(b.q[k]) ^ 0x80;
  }
};

template <>
struct Record<DType::q4_0> {
  static consteval Layout layout() { return layouts::quantised({.step = 64, .offset = 8}); }
  using Block = gguf::BlockQ4_0;
  static void read(const Block& b, int i, RecordRow& row) {
    row.d[i] = b.d;
    for (int k = 0; k < 16; k++) {
      row.values[32 * i + k] = b.q[k] & 15;
      row.values[32 * i + k + 16] = b.q[k] >> 4;
    }
  }
};

template <>
struct Record<DType::q5_0> {
  static consteval Layout layout() { return layouts::quantised({.step = 64, .offset = 16, .high_bits = 1}); }
  using Block = gguf::BlockQ5_0;
  static void read(const Block& b, int i, RecordRow& row) {
    row.d[i] = b.d;
    for (int k = 0; k < 32; k++) {
      const int low = k < 16 ? b.q[k] & 15 : b.q[k - 16] >> 4;
      row.values[32 * i + k] = static_cast<uint8_t>(low | (b.high[k / 8] >> k % 8 & 1) << 4);
    }
  }
};

template <>
struct Record<DType::q4_k> {
  static consteval Layout layout() { return layouts::quantised({.mins = true}); }
  using Block = gguf::BlockQ4_K;
  static void read(const Block& b, int, RecordRow& row) {
    row.d[0] = b.d;
    row.dmin = b.dmin;
    gguf::unpack_scales(b.scales, row.scale, row.min);
    for (int k = 0; k < 256; k++) row.values[k] = b.q[k / 64 * 32 + k % 32] >> k / 32 % 2 * 4 & 15;
  }
};

template <>
struct Record<DType::q5_k> {
  static consteval Layout layout() { return layouts::quantised({.mins = true, .high_bits = 1}); }
  using Block = gguf::BlockQ5_K;
  static void read(const Block& b, int, RecordRow& row) {
    row.d[0] = b.d;
    row.dmin = b.dmin;
    gguf::unpack_scales(b.scales, row.scale, row.min);
    for (int k = 0; k < 256; k++) {
      const int low = b.q[k / 64 * 32 + k % 32] >> k / 32 % 2 * 4 & 15;
      row.values[k] = static_cast<uint8_t>(low | (b.high[k % 32] >> k / 32 & 1) << 4);
    }
  }
};

template <>
struct Record<DType::q6_k> {
  static consteval Layout layout() { return layouts::quantised({.group = 16, .offset = 32, .high_bits = 2}); }
  using Block = gguf::BlockQ6_K;
  static void read(const Block& b, int, RecordRow& row) {
    row.d[0] = b.d;
    std::memcpy(row.scale, b.scales, sizeof b.scales);
    for (int half = 0; half < 2; half++) {
      const uint8_t *low = b.low + half * 64, *high = b.high + half * 32;
      for (int part = 0; part < 4; part++) {
        for (int k = 0; k < 32; k++) {
          row.values[half * 128 + part * 32 + k] =
              static_cast<uint8_t>((low[part % 2 * 32 + k] >> part / 2 * 4 & 15) | (high[k] >> part * 2 & 3) << 4);
        }
      }
    }
  }
};

static_assert(Record<DType::q8_0>::layout().bytes == 1088 && Record<DType::q4_0>::layout().bytes == 576 &&
              Record<DType::q5_0>::layout().bytes == 704 && Record<DType::q4_k>::layout().bytes == 2368 &&
              Record<DType::q5_k>::layout().bytes == 2880 && Record<DType::q6_k>::layout().bytes == 3392);

/// `static`: each instruction set's kernels have their own copy (simd/simd.h).
static constexpr Layout layout_of(DType type) {
  switch (type) {
#define OWL3_LAYOUT(type, ...) \
  case DType::type:            \
    return Record<DType::type>::layout();
    OWL3_FORMATS(OWL3_LAYOUT)
#undef OWL3_LAYOUT
  }
  return {};
}

/// f<T>() for the quantised format `type`; nothing for others.
template <class F>
static inline void for_quantised(DType type, F f) {
  switch (type) {
#define OWL3_CASE(type, ...)                                                         \
  case DType::type:                                                                  \
    if constexpr (Record<DType::type>::layout().quantised) f(TypeOf<DType::type>{}); \
    break;
    OWL3_FORMATS(OWL3_CASE)
#undef OWL3_CASE
  }
}

}  // namespace owl3::cpu::gemm
