// Raw blocks of GGUF files (gguf/formats/) to records (packing.h). A warp a record; it runs once a weight.
#pragma once
#include "cuda/kernels/params.h"
#include "cuda/simt/simt.h"

namespace owl3::cuda {

OWL3_DEVICE uint16_t raw_half(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] | p[1] << 8);
}

/// The bits of value `col` of a quantised row, without an offset.
OWL3_DEVICE uint32_t raw_quant(Packing packing, const uint8_t* row, int col) {
  const int i = col % 32, j = col / 32 % 8;  // of a block of 32; K-quants: group j of 256
  const uint8_t* b = row;
  switch (packing) {
    case Packing::q8_0:
      return row[static_cast<int64_t>(col / 32) * 34 + 2 + i];
    case Packing::q4_0:
      b += static_cast<int64_t>(col / 32) * 18;
      return b[2 + i % 16] >> i / 16 * 4 & 15u;
    case Packing::q5_0:
      b += static_cast<int64_t>(col / 32) * 22;
      return (b[6 + i % 16] >> i / 16 * 4 & 15u) | (b[2 + i / 8] >> i % 8 & 1u) << 4;
    case Packing::q4_k:
      b += static_cast<int64_t>(col / 256) * 144;
      return b[16 + j / 2 * 32 + i] >> j % 2 * 4 & 15u;
    case Packing::q5_k:
      b += static_cast<int64_t>(col / 256) * 176;
      return (b[48 + j / 2 * 32 + i] >> j % 2 * 4 & 15u) | (b[16 + i] >> j & 1u) << 4;
    case Packing::q6_k:
      b += static_cast<int64_t>(col / 256) * 210;
      return (b[j / 4 * 64 + j % 2 * 32 + i] >> j % 4 / 2 * 4 & 15u) | (b[128 + j / 4 * 32 + i] >> j % 4 * 2 & 3u) << 4;
    case Packing::f32:
    case Packing::f16:
    case Packing::bf16:
      break;
  }
  return 0;
}

/// The 6-bit scale (which = 0) or minimum (1) j of the twelve bytes of a Q4_K or Q5_K block.
OWL3_DEVICE uint8_t raw_scale(const uint8_t* packed, int j, int which) {
  if (j < 4) return packed[j + 4 * which] & 63;
  const uint8_t low = which == 0 ? packed[j + 4] & 15 : packed[j + 4] >> 4;
  return static_cast<uint8_t>(low | packed[j - 4 + 4 * which] >> 6 << 4);
}

struct RepackSource {
  const RepackParams& p;
  const uint8_t* raw;  // the strip's first row
  int rows, first_col;

  OWL3_DEVICE const uint8_t* row(int r) const { return raw + r * p.row_bytes; }
  OWL3_DEVICE uint32_t quant(int r, int col) const {
    return r < rows && first_col + col < p.cols ? raw_quant(p.packing, row(r), first_col + col) : 0;
  }
  /// A word of packing.h: four values of block `block` of the record.
  OWL3_DEVICE uint32_t word(int block, int word) const {
    const int g = simt::lane() / 4, t = simt::lane() % 4;
    uint32_t v = 0;
    for (int j = 0; j < 4; j++) v |= quant(g + 8 * (word % 2), 32 * block + 4 * t + word / 2 * 16 + j) << 8 * j;
    return v;
  }
};

OWL3_DEVICE void store_half(uint8_t* to, uint16_t h) {
  *reinterpret_cast<uint16_t*>(to) = h;
}

/// Scales of a row of a record: lane r < 16 has row r.
OWL3_DEVICE void repack_scales(const RepackSource& s, const Record& record, uint8_t* to) {
  const int r = simt::lane();
  if (r >= strip_rows) return;
  const bool here = r < s.rows;
  const uint8_t* raw = here ? s.row(r) : nullptr;
  uint8_t *scales = to + record.scale_at, *d = to + record.d_at;
  switch (s.p.packing) {
    case Packing::q8_0:
    case Packing::q4_0:
    case Packing::q5_0: {
      const int bytes = s.p.packing == Packing::q8_0 ? 34 : s.p.packing == Packing::q4_0 ? 18 : 22;
      for (int b = 0; b < 2; b++) {
        const bool inside = here && s.first_col + 32 * b < s.p.cols;
        store_half(scales + 4 * r + 2 * b,
                   inside ? raw_half(raw + static_cast<int64_t>(s.first_col / 32 + b) * bytes) : uint16_t{0});
      }
      return;
    }
    case Packing::q4_k:
    case Packing::q5_k: {
      const uint8_t* b =
          here ? raw + static_cast<int64_t>(s.first_col / 256) * (s.p.packing == Packing::q4_k ? 144 : 176) : nullptr;
      for (int j = 0; j < 16; j++) scales[16 * r + j] = here ? raw_scale(b + 4, j % 8, j / 8) : uint8_t{0};
      for (int i = 0; i < 2; i++) store_half(d + 4 * r + 2 * i, here ? raw_half(b + 2 * i) : uint16_t{0});
      return;
    }
    case Packing::q6_k: {
      const uint8_t* b = here ? raw + static_cast<int64_t>(s.first_col / 256) * 210 : nullptr;
      for (int j = 0; j < 16; j++) scales[16 * r + j] = here ? b[192 + j] : uint8_t{0};
      store_half(d + 2 * r, here ? raw_half(b + 208) : uint16_t{0});
      return;
    }
    case Packing::f32:
    case Packing::f16:
    case Packing::bf16:
      return;
  }
}

OWL3_DEVICE void repack_floats(const RepackSource& s, uint8_t* to) {
  const int lane = simt::lane();
  if (s.p.packing == Packing::f32) {
    auto* values = reinterpret_cast<uint32_t*>(to);
    for (int i = lane; i < strip_rows * 64; i += 32) {
      const int r = i / 64, col = s.first_col + i % 64;
      uint32_t v = 0;
      if (r < s.rows && col < s.p.cols)
        for (int j = 0; j < 4; j++) v |= static_cast<uint32_t>(s.row(r)[4ll * col + j]) << 8 * j;
      values[i] = v;
    }
    return;
  }
  auto* values = reinterpret_cast<uint32_t*>(to);
  const int g = lane / 4, t = lane % 4;
  for (int step = 0; step < 4; step++)
    for (int w = 0; w < 4; w++) {
      const int r = g + 8 * (w % 2), col = s.first_col + 16 * step + 2 * t + w / 2 * 8;
      uint32_t v = 0;
      for (int j = 0; j < 2; j++)
        if (r < s.rows && col + j < s.p.cols)
          v |= static_cast<uint32_t>(raw_half(s.row(r) + 2ll * (col + j))) << 16 * j;
      values[step * 128 + lane * 4 + w] = v;
    }
}

/// Blocks: (unit, strip).
OWL3_KERNEL(32, 1) repack(const RepackParams p) {
  const Record record = record_of(p.packing);
  const int unit = simt::block_x(), strip = simt::block_y(), lane = simt::lane();
  uint8_t* to = p.packed + (static_cast<int64_t>(strip) * p.units + unit) * record.bytes;
  const int left = p.rows - strip * strip_rows;
  const RepackSource s = {p, p.raw + static_cast<int64_t>(strip) * strip_rows * p.row_bytes,
                          left < strip_rows ? left : strip_rows, unit * record.columns};
  auto* words = reinterpret_cast<uint32_t*>(to);
  if (p.packing == Packing::f32 || p.packing == Packing::f16 || p.packing == Packing::bf16) return repack_floats(s, to);
  repack_scales(s, record, to);
  if (p.packing == Packing::q8_0) {
    for (int b = 0; b < 2; b++)
      for (int w = 0; w < 4; w++) words[b * 128 + lane * 4 + w] = s.word(b, w);
    return;
  }
  for (int b = 0; b < record.columns / 32; b++) {
    uint32_t v[4];
    for (int w = 0; w < 4; w++) v[w] = s.word(b, w);
    for (int i = 0; i < 2; i++)
      words[b / 2 * 128 + lane * 4 + b % 2 * 2 + i] = (v[2 * i] & 0x0f0f0f0fu) | (v[2 * i + 1] & 0x0f0f0f0fu) << 4;
    if (p.packing == Packing::q6_k) {
      uint32_t high = 0;
      for (int w = 0; w < 4; w++) high |= (v[w] >> 4 & 0x03030303u) << 2 * w;
      words[record.high_at / 4 + b / 4 * 128 + lane * 4 + b % 4] = high;
    }
    if (p.packing == Packing::q5_0 || p.packing == Packing::q5_k) {
      uint32_t high = 0;
      for (int w = 0; w < 4; w++) high |= (v[w] >> 4 & 0x01010101u) << (w + 4 * (b % 2));
      uint32_t* at = words + record.high_at / 4 + (p.packing == Packing::q5_0 ? lane : lane * 4 + b / 2);
      *at = b % 2 == 0 ? high : *at | high;
    }
  }
}

}  // namespace owl3::cuda
