#include "cpu/pack.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/scratch.h"
#include "gguf/formats/formats.h"

namespace owl3::cpu {
namespace {

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}
int32_t quad(int32_t k, int32_t row) {
  return k / 4 * 64 + row * 4 + k % 4;
}

uint16_t get_f16(const uint8_t* at, int32_t lane) {
  uint16_t h;
  std::memcpy(&h, at + lane * 2, 2);
  return h;
}

/// Where a record has its planes, in bytes; the same for every block of a type, one behind the other.
struct Planes {
  int32_t low, high;              ///< whole bytes or 4-bit, and upper bits
  int32_t low_block, high_block;  ///< bytes a block of 32 columns and 16 rows
};
constexpr Planes planes_of(DType type) {
  switch (type) {
    case DType::q8_0:
      return {q_at_32, 0, 512, 0};
    case DType::q4_0:
      return {q_at_32, 0, 256, 0};
    case DType::q5_0:
      return {q_at_32, high_at_32, 256, 64};
    case DType::q4_k:
      return {q_at_k, 0, 256, 0};
    case DType::q5_k:
      return {q_at_k, high_at_k, 256, 64};
    case DType::q6_k:
      return {q_at_k, high_at_k, 256, 128};
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      break;
  }
  return {};
}

/// What a record says about its 16 rows, still row by row: scales as stored, and each row's share of the planes in the
/// order of k. Four bytes of a row go side by side with those of the other rows.
struct RecordRows {
  uint16_t d[2][panel_rows], dmin[panel_rows];
  uint8_t scale[panel_rows][16], min[panel_rows][8];
  alignas(64) uint8_t low[panel_rows][128], high[panel_rows][64];
};

template <class Block>
const Block* block_at(const void* row, int64_t i) {
  return reinterpret_cast<const Block*>(row) + i;
}

/// A row's share of one block's planes from its values [32].
template <DType T>
void put_planes(const uint8_t* q, uint8_t* low, uint8_t* high) {
  for (int k = 0; k < 16; k++) low[k] = static_cast<uint8_t>((q[k] & 15) | q[k + 16] << 4);
  if constexpr (T == DType::q6_k) {
    for (int k = 0; k < 8; k++) {
      high[k] = static_cast<uint8_t>(q[k] >> 4 | q[k + 8] >> 4 << 2 | q[k + 16] >> 4 << 4 | q[k + 24] >> 4 << 6);
    }
  }
  if constexpr (T == DType::q5_k) {
    uint8_t bits[4] = {};
    for (int g = 0; g < 8; g++) {
      for (int k = 0; k < 4; k++) bits[k] = static_cast<uint8_t>(bits[k] | q[4 * g + k] >> 4 << g);
    }
    std::memcpy(high, bits, 4);
  }
}

/// Takes block b of 32 columns of a row of the file apart (Q8_0, Q4_0, Q5_0). `flip` turns Q8_0's sign bit.
template <DType T>
void read_block(const char* row, int64_t b, uint8_t flip, uint16_t& d, uint8_t* low, uint8_t* high) {
  if constexpr (T == DType::q8_0) {
    const auto* block = block_at<gguf::BlockQ8_0>(row, b);
    d = block->d;
    for (int i = 0; i < 32; i++) low[i] = static_cast<uint8_t>(block->q[i]) ^ flip;
  } else if constexpr (T == DType::q4_0) {
    const auto* block = block_at<gguf::BlockQ4_0>(row, b);
    d = block->d;
    std::memcpy(low, block->q, 16);  // the file pairs values as the planes do
  } else {
    const auto* block = block_at<gguf::BlockQ5_0>(row, b);
    d = block->d;
    std::memcpy(low, block->q, 16);
    uint32_t bits;
    std::memcpy(&bits, block->high, 4);
    for (int k = 0; k < 4; k++) {
      uint32_t byte = 0;
      for (int g = 0; g < 8; g++) byte |= (bits >> (4 * g + k) & 1) << g;
      high[k] = static_cast<uint8_t>(byte);
    }
  }
}

/// Takes 256 columns of a row of the file apart (Q4_K, Q5_K, Q6_K).
template <DType T>
void read_super_block(const char* row, int64_t s, int32_t lane, RecordRows& out) {
  constexpr int32_t high_row = planes_of(T).high_block / panel_rows;
  uint8_t q[256];
  if constexpr (T == DType::q6_k) {
    const auto* block = block_at<gguf::BlockQ6_K>(row, s);
    out.d[0][lane] = block->d;
    std::memcpy(out.scale[lane], block->scales, 16);
    for (int half = 0; half < 2; half++) {
      const uint8_t *low = block->low + half * 64, *high = block->high + half * 32;
      for (int part = 0; part < 4; part++) {
        uint8_t* to = q + half * 128 + part * 32;
        for (int i = 0; i < 32; i++) {
          to[i] = static_cast<uint8_t>((low[part % 2 * 32 + i] >> part / 2 * 4 & 15) | (high[i] >> part * 2 & 3) << 4);
        }
      }
    }
  } else {
    using Block = std::conditional_t<T == DType::q4_k, gguf::BlockQ4_K, gguf::BlockQ5_K>;
    const auto* block = block_at<Block>(row, s);
    out.d[0][lane] = block->d;
    out.dmin[lane] = block->dmin;
    gguf::unpack_scales(block->scales, out.scale[lane], out.min[lane]);
    for (int b = 0; b < 8; b++) {
      const uint8_t* low = block->q + b / 2 * 32;
      for (int i = 0; i < 32; i++) {
        q[b * 32 + i] = low[i] >> b % 2 * 4 & 15;
        if constexpr (T == DType::q5_k) q[b * 32 + i] |= static_cast<uint8_t>((block->high[i] >> b & 1) << 4);
      }
    }
  }
  for (int b = 0; b < 8; b++) put_planes<T>(q + b * 32, out.low[lane] + b * 16, out.high[lane] + b * high_row);
}

/// Four bytes of each of the 16 rows, then the next four: rows [16][ld] -> plane [words][16][4].
template <int32_t Words, int32_t Ld>
void interleave(const uint8_t (&rows)[panel_rows][Ld], uint8_t* plane) {
  static_assert(4 * Words <= Ld);
  for (int32_t word = 0; word < Words; word++) {
    for (int32_t lane = 0; lane < panel_rows; lane++) {
      std::memcpy(plane + 64 * word + 4 * lane, rows[lane] + 4 * word, 4);
    }
  }
}

/// Packs records [panel] of a quantised type; rows past the last and blocks past a row's end have scales of zero.
template <DType T>
void pack_quantised(const ops::HostTensor& t, const Packed& m, int64_t panel, uint8_t* record) {
  constexpr Layout l = layout_of(T);
  constexpr Planes at = planes_of(T);
  constexpr int32_t blocks = l.step / 32, low_row = at.low_block / panel_rows, high_row = at.high_block / panel_rows;
  const uint8_t flip = m.unsigned_q8 ? 0x80 : 0;
  const uint64_t stride = gguf::row_bytes(t.type, t.cols);
  const int64_t rows = std::min<int64_t>(panel_rows, t.rows - panel * panel_rows);
  const char* first = static_cast<const char*>(t.data) + static_cast<uint64_t>(panel * panel_rows) * stride;
  RecordRows r{};
  for (int64_t s = 0; s < m.padded_cols / l.step; s++, record += l.record) {
    for (int32_t lane = 0; lane < rows; lane++) {
      const char* row = first + static_cast<uint64_t>(lane) * stride;
      if constexpr (l.step == 256) {
        read_super_block<T>(row, s, lane, r);
      } else {
        for (int32_t b = 0; b < blocks; b++) {
          uint8_t *low = r.low[lane] + b * low_row, *high = r.high[lane] + b * high_row;
          if ((s * blocks + b) * 32 < t.cols) {
            read_block<T>(row, s * blocks + b, flip, r.d[b][lane], low, high);
          } else {
            r.d[b][lane] = 0;
            std::memset(low, T == DType::q8_0 ? flip : T == DType::q4_0 ? 0x88 : 0, low_row);  // values of zero
            std::memset(high, 0xff, high_row);
          }
        }
      }
    }
    std::memset(record, 0, at.low);
    if constexpr (l.step == 64) {
      std::memcpy(record, r.d, sizeof r.d);
    } else {
      std::memcpy(record, r.d[0], sizeof r.d[0]);
      if constexpr (l.mins) std::memcpy(record + dmin_at, r.dmin, sizeof r.dmin);
      for (int32_t i = 0; i < l.step / l.group; i++) {
        for (int32_t lane = 0; lane < panel_rows; lane++) record[scale_at + i * 16 + lane] = r.scale[lane][i];
      }
      for (int32_t i = 0; l.mins && i < 8; i++) {
        for (int32_t lane = 0; lane < panel_rows; lane++) record[min_at + i * 16 + lane] = r.min[lane][i];
      }
    }
    interleave<blocks * low_row / 4>(r.low, record + at.low);
    if constexpr (high_row > 0) interleave<blocks * high_row / 4>(r.high, record + at.high);
  }
}

/// The stored value of (k, lane) of a record.
int32_t read_value(const Packed& m, const uint8_t* record, int32_t k, int32_t lane) {
  const Planes at = planes_of(m.type);
  const int32_t i = quad(k % 32, lane);
  const uint8_t *low = record + at.low + k / 32 * at.low_block, *high = record + at.high + k / 32 * at.high_block;
  if (m.type == DType::q8_0) return static_cast<uint8_t>(low[i] ^ (m.unsigned_q8 ? 0 : 0x80));
  int32_t v = low[i % 256] >> (i / 256 * 4) & 15;
  if (m.type == DType::q6_k) v |= (high[i % 128] >> (i / 128 * 2) & 3) << 4;
  if (m.type == DType::q5_0 || m.type == DType::q5_k) v |= (high[i % 64] >> (i / 64) & 1) << 4;
  return v;
}

size_t float_size(DType type) {
  return type == DType::f32 ? 4 : 2;
}
/// Bytes from a record's start to value (k, lane) of a float type.
int64_t float_at(DType type, int64_t k, int64_t lane) {
  if (type == DType::bf16) return (k / 2 * 32 + lane * 2 + k % 2) * 2;
  return (k * 16 + lane) * static_cast<int64_t>(float_size(type));
}

/// `n` columns of 16 rows that are `stride` bytes apart, [16][n] -> [n / Side][16][Side].
template <class T, int64_t Side>
void pack_floats(const char* rows, uint64_t stride, int64_t count, int64_t n, uint8_t* out) {
  for (int64_t k = 0; k < n; k += Side) {
    const size_t bytes = sizeof(T) * static_cast<size_t>(std::min(Side, n - k));
    for (int64_t lane = 0; lane < count; lane++) {
      std::memcpy(out + (k * panel_rows + lane * Side) * static_cast<int64_t>(sizeof(T)),
                  rows + static_cast<uint64_t>(lane) * stride + static_cast<size_t>(k) * sizeof(T), bytes);
    }
  }
}

void pack_panel(const ops::HostTensor& t, const Packed& m, int64_t panel, uint8_t* out) {
  switch (t.type) {
    case DType::q8_0:
      return pack_quantised<DType::q8_0>(t, m, panel, out);
    case DType::q4_0:
      return pack_quantised<DType::q4_0>(t, m, panel, out);
    case DType::q5_0:
      return pack_quantised<DType::q5_0>(t, m, panel, out);
    case DType::q4_k:
      return pack_quantised<DType::q4_k>(t, m, panel, out);
    case DType::q5_k:
      return pack_quantised<DType::q5_k>(t, m, panel, out);
    case DType::q6_k:
      return pack_quantised<DType::q6_k>(t, m, panel, out);
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      break;
  }
  const uint64_t stride = gguf::row_bytes(t.type, t.cols);
  const int64_t count = std::min<int64_t>(panel_rows, t.rows - panel * panel_rows);
  const char* rows = static_cast<const char*>(t.data) + static_cast<uint64_t>(panel * panel_rows) * stride;
  if (count < panel_rows || m.padded_cols > t.cols) std::memset(out, 0, static_cast<size_t>(m.panel_bytes));
  // In steps, so that the lines written stay in L1 while all rows fill them.
  constexpr int64_t step = 64;
  for (int64_t k = 0; k < t.cols; k += step) {
    const int64_t n = std::min(step, t.cols - k);
    if (t.type == DType::f32) pack_floats<uint32_t, 1>(rows + 4 * k, stride, count, n, out + k * panel_rows * 4);
    if (t.type == DType::f16) pack_floats<uint16_t, 1>(rows + 2 * k, stride, count, n, out + k * panel_rows * 2);
    if (t.type == DType::bf16) pack_floats<uint16_t, 2>(rows + 2 * k, stride, count, n, out + k * panel_rows * 2);
  }
}

}  // namespace

std::unique_ptr<PackedMatrix> pack_matrix(const ops::HostTensor& t, bool unsigned_q8, ThreadPool& pool) {
  gguf::row_bytes(t.type, t.cols);  // checks cols
  const Layout l = layout_of(t.type);
  auto m = std::make_unique<PackedMatrix>();
  m->rows = t.rows;
  m->cols = t.cols;
  m->type = t.type;
  const int64_t padded = round_up(t.cols, l.step), panels = round_up(t.rows, panel_rows) / panel_rows;
  const int64_t panel_bytes = padded / l.step * l.record;
  m->bytes = static_cast<uint64_t>(panel_bytes * panels);
  m->memory = aligned_memory(m->bytes);
  auto* data = static_cast<uint8_t*>(m->memory.get());
  m->packed = {t.type, t.rows, t.cols, padded, panels, panel_bytes, unsigned_q8, t.use == ops::MatrixUse::bulk, data};
  pool.parallel_for(panels, [&](int64_t p, int) { pack_panel(t, m->packed, p, data + p * panel_bytes); });
  return m;
}

void unpack_row(const Packed& m, int64_t row, float* y) {
  const Layout l = layout_of(m.type);
  const int32_t lane = static_cast<int32_t>(row % panel_rows);
  for (int64_t k = 0; k < m.cols; k++) {
    const uint8_t* record = m.panel(row / panel_rows) + k / l.step * l.record;
    const int32_t i = static_cast<int32_t>(k % l.step);
    if (l.group == 0) {
      const uint8_t* at = record + float_at(m.type, i, lane);
      uint16_t h;
      std::memcpy(&h, at, 2);
      if (m.type == DType::f32)
        std::memcpy(y + k, at, 4);
      else
        y[k] = m.type == DType::f16 ? gguf::f16_to_f32(h) : gguf::bf16_to_f32(h);
      continue;
    }
    const float q = static_cast<float>(read_value(m, record, i, lane) - l.offset);
    if (l.step == 64) {
      y[k] = gguf::f16_to_f32(get_f16(record + i / 32 * 32, lane)) * q;
      continue;
    }
    const uint8_t s = record[scale_at + i / l.group * 16 + lane];
    const float scale = m.type == DType::q6_k ? static_cast<float>(static_cast<int8_t>(s)) : static_cast<float>(s);
    y[k] = gguf::f16_to_f32(get_f16(record, lane)) * scale * q;
    if (l.mins)
      y[k] -=
          gguf::f16_to_f32(get_f16(record + dmin_at, lane)) * static_cast<float>(record[min_at + i / 32 * 16 + lane]);
  }
}

}  // namespace owl3::cpu
