// How the tensor cores take each packing: a unit of weights (one record, 16 outputs) times tiles of 8 rows of
// activations. The order of float additions is that of the columns, whatever the number of tiles.
//
// A format has `columns` of a unit, load() of what a lane needs of a record, and multiply<tiles>(), which adds to
// acc [tiles][4]: lane 4 g + t has outputs g (0, 1) and g + 8 (2, 3), rows 2 t (0, 2) and 2 t + 1 (1, 3) of each tile.
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/packing.h"

namespace owl3::cuda {

/// 1.5 * 2^23: an integer below 2^22 added to its bits is, as a float, the integer plus this. So sums of int8 products,
/// which begin here, become floats by a subtraction; a conversion would be slower.
constexpr int32_t magic_bits = 0x4b400000;
constexpr float magic = 12582912.0f;

OWL3_DEVICE float float_of_sum(int32_t sum) {
  return simt::as_float(static_cast<uint32_t>(sum)) - magic;
}
/// Each byte minus `offset` (the same byte four times); bytes are below 128.
OWL3_DEVICE uint32_t minus(uint32_t bytes, uint32_t offset) {
  return ((bytes | 0x80808080u) - offset) ^ 0x80808080u;
}
OWL3_DEVICE float low_half(uint32_t pair) {
  return simt::half_to_float(static_cast<uint16_t>(pair));
}
OWL3_DEVICE float high_half(uint32_t pair) {
  return simt::half_to_float(static_cast<uint16_t>(pair >> 16));
}
OWL3_DEVICE uint32_t word_at(const uint8_t* p) {
  return *reinterpret_cast<const uint32_t*>(p);
}
/// The four words of block b (0 or 1) of 16 bytes of nibbles.
OWL3_DEVICE void nibbles(const simt::Words4& packed, int b, uint32_t* a) {
#pragma unroll
  for (int i = 0; i < 2; i++) {
    a[2 * i] = packed.v[2 * b + i] & 0x0f0f0f0fu;
    a[2 * i + 1] = packed.v[2 * b + i] >> 4 & 0x0f0f0f0fu;
  }
}

/// A block whose 32 columns share a scale: dw [2] of outputs g and g + 8, and with minima mw [2].
template <bool Mins, int Tiles, class Rows>
OWL3_DEVICE void multiply_block(const uint32_t* a, const float* dw, const float* mw, const Rows& x, int block,
                                float (*acc)[4]) {
#pragma unroll
  for (int tile = 0; tile < Tiles; tile++) {
    if (!x.has(tile)) continue;
    const simt::Words2 b = x.fragment(tile, block);
    float s[4];  // scale and -scale * sum of rows 2 t and 2 t + 1
    x.scales(tile, block, s);
    int32_t c[4] = {magic_bits, magic_bits, magic_bits, magic_bits};
    simt::mma_s8_k32(c, a, b.v);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      acc[tile][i] = fmaf(float_of_sum(c[i]), dw[i / 2] * s[i % 2 * 2], acc[tile][i]);
      if (Mins) acc[tile][i] = fmaf(mw[i / 2], s[i % 2 * 2 + 1], acc[tile][i]);
    }
  }
}

struct Q8_0 {
  static constexpr Packing packing = Packing::q8_0;
  static constexpr int columns = 64;
  struct Raw {
    simt::Words4 q[2];
    uint32_t scale[2];  // of outputs g, g + 8: those of both blocks
  };
  OWL3_DEVICE static Raw load(const uint8_t* record, int lane) {
    const uint8_t* scales = record + 1024 + lane / 4 * 4;
    return {{simt::load_once(record + lane * 16), simt::load_once(record + 512 + lane * 16)},
            {word_at(scales), word_at(scales + 32)}};
  }
  template <int Tiles, class Rows>
  OWL3_DEVICE static void multiply(const Raw& w, const Rows& x, int block, float (*acc)[4]) {
#pragma unroll
    for (int b = 0; b < 2; b++) {
      const float dw[2] = {b == 0 ? low_half(w.scale[0]) : high_half(w.scale[0]),
                           b == 0 ? low_half(w.scale[1]) : high_half(w.scale[1])};
      multiply_block<false, Tiles>(w.q[b].v, dw, nullptr, x, block + b, acc);
    }
  }
};

/// Q4_0 and, with the fifth bits of values, Q5_0.
template <bool High>
struct Symmetric {
  static constexpr Packing packing = High ? Packing::q5_0 : Packing::q4_0;
  static constexpr int columns = 64;
  struct Raw {
    simt::Words4 q;
    uint32_t high;
    uint32_t scale[2];
  };
  OWL3_DEVICE static Raw load(const uint8_t* record, int lane) {
    const uint8_t* scales = record + (High ? 640 : 512) + lane / 4 * 4;
    return {simt::load_once(record + lane * 16),
            High ? word_at(record + 512 + lane * 4) : 0,
            {word_at(scales), word_at(scales + 32)}};
  }
  template <int Tiles, class Rows>
  OWL3_DEVICE static void multiply(const Raw& w, const Rows& x, int block, float (*acc)[4]) {
#pragma unroll
    for (int b = 0; b < 2; b++) {
      uint32_t a[4];
      nibbles(w.q, b, a);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (High) a[i] |= (w.high >> (i + 4 * b) & 0x01010101u) << 4;
        a[i] = minus(a[i], High ? 0x10101010u : 0x08080808u);
      }
      const float dw[2] = {b == 0 ? low_half(w.scale[0]) : high_half(w.scale[0]),
                           b == 0 ? low_half(w.scale[1]) : high_half(w.scale[1])};
      multiply_block<false, Tiles>(a, dw, nullptr, x, block + b, acc);
    }
  }
};

/// Q4_K and, with the fifth bits of values, Q5_K.
template <bool High>
struct Affine {
  static constexpr Packing packing = High ? Packing::q5_k : Packing::q4_k;
  static constexpr int columns = 256;
  struct Raw {
    simt::Words4 q[4];
    simt::Words4 high;      // word j: blocks 2 j and 2 j + 1
    simt::Words4 scale[2];  // of outputs g, g + 8: eight scales and eight minima
    uint32_t d[2];          // d and dmin
  };
  OWL3_DEVICE static Raw load(const uint8_t* record, int lane) {
    constexpr int high_at = 2048, scale_at = High ? 2560 : 2048, d_at = High ? 2816 : 2304;
    Raw w;
#pragma unroll
    for (int i = 0; i < 4; i++) w.q[i] = simt::load_once(record + i * 512 + lane * 16);
    if (High) w.high = simt::load_once(record + high_at + lane * 16);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      w.scale[i] = *reinterpret_cast<const simt::Words4*>(record + scale_at + (lane / 4 + 8 * i) * 16);
      w.d[i] = word_at(record + d_at + (lane / 4 + 8 * i) * 4);
    }
    return w;
  }
  template <int Tiles, class Rows>
  OWL3_DEVICE static void multiply(const Raw& w, const Rows& x, int block, float (*acc)[4]) {
    const float d[2] = {low_half(w.d[0]), low_half(w.d[1])}, dmin[2] = {high_half(w.d[0]), high_half(w.d[1])};
#pragma unroll
    for (int b = 0; b < 8; b++) {
      uint32_t a[4];
      nibbles(w.q[b / 2], b % 2, a);
      if (High) {
#pragma unroll
        for (int i = 0; i < 4; i++) a[i] |= (w.high.v[b / 2] >> (i + b % 2 * 4) & 0x01010101u) << 4;
      }
      float dw[2], mw[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        dw[i] = d[i] * static_cast<float>(w.scale[i].v[b / 4] >> b % 4 * 8 & 255);
        mw[i] = dmin[i] * static_cast<float>(w.scale[i].v[2 + b / 4] >> b % 4 * 8 & 255);
      }
      multiply_block<true, Tiles>(a, dw, mw, x, block + b, acc);
    }
  }
};

/// Sixteen columns share a scale, so each half of a block is summed alone.
struct Q6_K {
  static constexpr Packing packing = Packing::q6_k;
  static constexpr int columns = 256;
  struct Raw {
    simt::Words4 q[4];
    simt::Words4 high[2];
    simt::Words4 scale[2];
    uint16_t d[2];
  };
  OWL3_DEVICE static Raw load(const uint8_t* record, int lane) {
    Raw w;
#pragma unroll
    for (int i = 0; i < 4; i++) w.q[i] = simt::load_once(record + i * 512 + lane * 16);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      w.high[i] = simt::load_once(record + 2048 + i * 512 + lane * 16);
      w.scale[i] = *reinterpret_cast<const simt::Words4*>(record + 3072 + (lane / 4 + 8 * i) * 16);
      w.d[i] = *reinterpret_cast<const uint16_t*>(record + 3328 + (lane / 4 + 8 * i) * 2);
    }
    return w;
  }
  template <int Tiles, class Rows>
  OWL3_DEVICE static void multiply(const Raw& w, const Rows& x, int block, float (*acc)[4]) {
    const float d[2] = {simt::half_to_float(w.d[0]), simt::half_to_float(w.d[1])};
#pragma unroll
    for (int b = 0; b < 8; b++) {
      uint32_t a[4];
      nibbles(w.q[b / 2], b % 2, a);
#pragma unroll
      for (int i = 0; i < 4; i++)
        a[i] = minus(a[i] | (w.high[b / 4].v[b % 4] >> 2 * i & 0x03030303u) << 4, 0x20202020u);
      float dw[2][2];  // [half][output]
#pragma unroll
      for (int h = 0; h < 2; h++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const int j = 2 * b + h;
          dw[h][i] = d[i] * static_cast<float>(static_cast<int8_t>(w.scale[i].v[j / 4] >> j % 4 * 8));
        }
#pragma unroll
      for (int tile = 0; tile < Tiles; tile++) {
        if (!x.has(tile)) continue;
        const simt::Words2 y = x.fragment(tile, block + b);
        float s[4];
        x.scales(tile, block + b, s);
#pragma unroll
        for (int h = 0; h < 2; h++) {
          int32_t c[4] = {magic_bits, magic_bits, magic_bits, magic_bits};
          simt::mma_s8_k16(c, a + 2 * h, y.v[h]);
#pragma unroll
          for (int i = 0; i < 4; i++)
            acc[tile][i] = fmaf(float_of_sum(c[i]), dw[h][i / 2] * s[i % 2 * 2], acc[tile][i]);
        }
      }
    }
  }
};

/// F16 or BF16 weights times two terms of the activations, the small ones first.
template <Packing P>
struct Half {
  static constexpr Packing packing = P;
  static constexpr int columns = 64;
  struct Raw {
    simt::Words4 w[4];
  };
  OWL3_DEVICE static Raw load(const uint8_t* record, int lane) {
    Raw raw;
#pragma unroll
    for (int i = 0; i < 4; i++) raw.w[i] = simt::load_once(record + i * 512 + lane * 16);
    return raw;
  }
  /// `step`: the first 16 columns.
  template <int Tiles, class Rows>
  OWL3_DEVICE static void multiply(const Raw& w, const Rows& x, int step, float (*acc)[4]) {
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int tile = 0; tile < Tiles; tile++) {
        if (!x.has(tile)) continue;
        const simt::Words4 b = x.terms(tile, step + i);
        if (P == Packing::f16) {
          simt::mma_f16(acc[tile], w.w[i].v, b.v + 2);
          simt::mma_f16(acc[tile], w.w[i].v, b.v);
        } else {
          simt::mma_bf16(acc[tile], w.w[i].v, b.v + 2);
          simt::mma_bf16(acc[tile], w.w[i].v, b.v);
        }
      }
  }
};

/// The activations of a format: bytes of one row's unit, and how many columns go by one number (`block` or `step` above).
template <class Format>
struct Activations {
  static constexpr bool half = Format::packing == Packing::f16 || Format::packing == Packing::bf16;
  static constexpr int bytes_a_column = half ? 4 : 1;
  static constexpr int columns_a_block = half ? 16 : 32;
  static constexpr int unit_bytes = Format::columns * bytes_a_column;
  static constexpr int unit_blocks = Format::columns / columns_a_block;
};

}  // namespace owl3::cuda
