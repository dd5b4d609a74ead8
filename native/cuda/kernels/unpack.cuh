// Single values of records (packing.h), with the roundings of gguf::dequantize_row: for rows of the embedding and for
// products in float.
#pragma once
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/packing.h"

namespace owl3::cuda {

OWL3_DEVICE float half_at(const uint8_t* p) {
  return simt::half_to_float(*reinterpret_cast<const uint16_t*>(p));
}

/// The bits of the value of row r (of 16) and column c of a quantised record.
OWL3_DEVICE int quant_at(const uint8_t* record, Packing packing, const Record& parts, int r, int c) {
  const int block = c / 32, within = c % 32, word = r / 8 + within / 16 * 2;
  const int lane = r % 8 * 4 + within % 16 / 4, byte = within % 4;
  if (packing == Packing::q8_0) return record[block * 512 + lane * 16 + word * 4 + byte];
  const int low = record[block / 2 * 512 + lane * 16 + block % 2 * 8 + word / 2 * 4 + byte];
  int v = low >> word % 2 * 4 & 15;
  const uint8_t* high = record + parts.high_at;
  if (packing == Packing::q6_k) v |= (high[block / 4 * 512 + lane * 16 + block % 4 * 4 + byte] >> 2 * word & 3) << 4;
  if (packing == Packing::q5_0) v |= (high[lane * 4 + byte] >> (word + 4 * block) & 1) << 4;
  if (packing == Packing::q5_k) v |= (high[lane * 16 + block / 2 * 4 + byte] >> (word + block % 2 * 4) & 1) << 4;
  return v;
}

OWL3_DEVICE float value_at(const uint8_t* record, Packing packing, int r, int c) {
  const Record parts = record_of(packing);
  const uint8_t *scales = record + parts.scale_at, *d = record + parts.d_at;
  const int j = c / 32;
  switch (packing) {
    case Packing::f32:
      return reinterpret_cast<const float*>(record)[r * 64 + c];
    case Packing::f16:
    case Packing::bf16: {
      const int within = c % 16, word = r / 8 + within / 8 * 2, lane = r % 8 * 4 + within % 8 / 2;
      const uint16_t bits =
          *reinterpret_cast<const uint16_t*>(record + c / 16 * 512 + lane * 16 + word * 4 + within % 2 * 2);
      return packing == Packing::f16 ? simt::half_to_float(bits) : bf16_to_float(bits);
    }
    case Packing::q8_0:
      return static_cast<float>(static_cast<int8_t>(quant_at(record, packing, parts, r, c))) *
             half_at(scales + 4 * r + 2 * j);
    case Packing::q4_0:
    case Packing::q5_0:
      return half_at(scales + 4 * r + 2 * j) *
             static_cast<float>(quant_at(record, packing, parts, r, c) - (packing == Packing::q4_0 ? 8 : 16));
    case Packing::q4_k:
    case Packing::q5_k: {
      const float scale = half_at(d + 4 * r) * static_cast<float>(scales[16 * r + j]);
      const float min = half_at(d + 4 * r + 2) * static_cast<float>(scales[16 * r + 8 + j]);
      return scale * static_cast<float>(quant_at(record, packing, parts, r, c)) - min;
    }
    case Packing::q6_k: {
      const float scale = half_at(d + 2 * r) * static_cast<float>(static_cast<int8_t>(scales[16 * r + c / 16]));
      return scale * static_cast<float>(quant_at(record, packing, parts, r, c) - 32);
    }
  }
  return 0.0f;
}

/// Value (row, col) of a matrix.
OWL3_DEVICE float value_of(const PackedMatrix& w, int row, int col) {
  const Record parts = record_of(w.packing);
  const int64_t record = static_cast<int64_t>(row / strip_rows) * w.units + col / parts.columns;
  return value_at(w.data + record * parts.bytes, w.packing, row % strip_rows, col % parts.columns);
}

}  // namespace owl3::cuda
