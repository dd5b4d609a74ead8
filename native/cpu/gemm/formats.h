// The formats as the matrix kernels see them: the layout of its records (packed.h) and how a block of a file becomes
// a part of one. A new format is a Record here; unpacking for GEMM (unpack.h), for GEMV (kernels_gemv_*.cpp) and of single
// rows (pack.cpp) follow from its layout.
#pragma once
#include <cstring>

#include "cpu/gemm/packed.h"
#include "gguf/formats/formats.h"

namespace owl3::cpu::gemm {

/// The content of a record for one of its 16 rows, on the way from a file.
struct RecordRow {
  uint16_t d[2];        ///< IEEE halves: the scale of each block (steps of 64), or of the record
  uint16_t dmin;        ///< IEEE half
  uint8_t scale[16];    ///< one for each group, where steps are of 256
  uint8_t min[8];       ///< one for each group
  uint8_t values[256];  ///< [step], unsigned: with the layout's offset
};

/// Eight values of a byte each, and eight of a constant: packing works on them at a time.
static inline uint64_t load_eight(const void* p) {
  uint64_t x;
  std::memcpy(&x, p, 8);
  return x;
}
static inline void store_eight(uint8_t* p, uint64_t x) {
  std::memcpy(p, &x, 8);
}
static constexpr uint64_t eight(uint8_t x) {
  return 0x0101010101010101u * x;
}
/// The low and the high halves of `n` bytes, a multiple of eight.
static inline void split_nibbles(const uint8_t* q, int n, uint8_t* low, uint8_t* high) {
  for (int k = 0; k < n; k += 8) {
    const uint64_t x = load_eight(q + k);
    store_eight(low + k, x & eight(15));
    store_eight(high + k, x >> 4 & eight(15));
  }
}

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

/// A format has layout() and, if it is quantised, `Block` and read(block, i, row), where i is the number of the block in
/// its record: formats with blocks of 32 values have two of them in a record, the others one.
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
    for (int k = 0; k < 32; k += 8) store_eight(row.values + 32 * i + k, load_eight(b.q + k) ^ eight(0x80));
  }
};

template <>
struct Record<DType::q4_0> {
  static consteval Layout layout() { return layouts::quantised({.step = 64, .offset = 8}); }
  using Block = gguf::BlockQ4_0;
  static void read(const Block& b, int i, RecordRow& row) {
    row.d[i] = b.d;
    split_nibbles(b.q, 16, row.values + 32 * i, row.values + 32 * i + 16);
  }
};

template <>
struct Record<DType::q5_0> {
  static consteval Layout layout() { return layouts::quantised({.step = 64, .offset = 16, .high_bits = 1}); }
  using Block = gguf::BlockQ5_0;
  static void read(const Block& b, int i, RecordRow& row) {
    row.d[i] = b.d;
    uint8_t* values = row.values + 32 * i;
    split_nibbles(b.q, 16, values, values + 16);
    for (int k = 0; k < 32; k += 8) {
      // Byte i keeps bit i alone; adding 127 carries it to bit 7, and that of byte 7 stands there already.
      const uint64_t one = eight(b.high[k / 8]) & 0x8040201008040201u, bits = ((one & eight(0x7f)) + eight(0x7f)) | one;
      store_eight(values + k, load_eight(values + k) | (bits >> 3 & eight(0x10)));
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
    for (int k = 0; k < 256; k += 64) split_nibbles(b.q + k / 2, 32, row.values + k, row.values + k + 32);
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
    for (int k = 0; k < 256; k += 64) split_nibbles(b.q + k / 2, 32, row.values + k, row.values + k + 32);
    for (int k = 0; k < 256; k += 8) {
      const uint64_t bits = load_eight(b.high + k % 32) >> k / 32 & eight(1);
      store_eight(row.values + k, load_eight(row.values + k) | bits << 4);
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
      uint8_t* values = row.values + half * 128;
      split_nibbles(b.low + half * 64, 64, values, values + 64);
      for (int k = 0; k < 128; k += 8) {
        const uint64_t bits = load_eight(b.high + half * 32 + k % 32) >> k / 32 * 2 & eight(3);
        store_eight(values + k, load_eight(values + k) | bits << 4);
      }
    }
  }
};

/// A kind of quantised weights, as products of int8 see it.
template <int Groups, bool Mins, int Bits>
struct Kind {
  static constexpr int groups = Groups;  ///< groups of columns in a block, each with a scale
  static constexpr bool mins = Mins;     ///< whether groups have minima; if not, values have an offset
  static constexpr int bits = Bits;      ///< dot_bits() of the values (simd.h)
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
