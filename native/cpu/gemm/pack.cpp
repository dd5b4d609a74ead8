#include "cpu/gemm/pack.h"

#include <algorithm>
#include <cstring>

#include "base/math.h"
#include "cpu/gemm/formats.h"
#include "cpu/workspace.h"

namespace owl3::cpu::gemm {
namespace {

/// Where the value of (k, row) of a block stands in quad order.
int32_t quad(int32_t k, int32_t row) {
  return k / 4 * 64 + row * 4 + k % 4;
}

float get_f16(const uint8_t* at, int32_t lane) {
  uint16_t h;
  std::memcpy(&h, at + lane * 2, 2);
  return gguf::f16_to_f32(h);
}

/// One row's share of a block's planes, from its unsigned values [32].
template <DType T>
void put_planes(const uint8_t* values, uint8_t* low, uint8_t* high) {
  constexpr Layout l = Record<T>::layout();
  if constexpr (l.low_bits == 8) std::memcpy(low, values, 32);
  if constexpr (l.low_bits == 4) {
    for (int k = 0; k < 16; k++) low[k] = static_cast<uint8_t>((values[k] & 15) | values[k + 16] << 4);
  }
  if constexpr (l.high_bits == 2) {
    for (int k = 0; k < 8; k++) {
      high[k] = static_cast<uint8_t>(values[k] >> 4 | values[k + 8] >> 4 << 2 | values[k + 16] >> 4 << 4 |
                                     values[k + 24] >> 4 << 6);
    }
  }
  if constexpr (l.high_bits == 1) {
    uint8_t bits[4] = {};
    for (int g = 0; g < 8; g++) {
      for (int k = 0; k < 4; k++) bits[k] = static_cast<uint8_t>(bits[k] | values[4 * g + k] >> 4 << g);
    }
    std::memcpy(high, bits, 4);
  }
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

/// Packs a panel's records; rows past the last and blocks past a row's end have scales of zero.
template <DType T>
void pack_quantised(const ops::HostTensor& t, const Packed& m, int64_t panel, uint8_t* out) {
  using Block = typename Record<T>::Block;
  constexpr Layout l = Record<T>::layout();
  constexpr int32_t blocks = l.step / block_columns, file_blocks = l.step == 256 ? 1 : blocks;
  constexpr int32_t low_row = l.low_block / panel_rows, high_row = l.high_block / panel_rows;
  const int64_t stored = t.cols * file_blocks / l.step;  // blocks in a row of the file
  const uint64_t stride = gguf::row_bytes(t.type, t.cols);
  const int64_t rows = std::min<int64_t>(panel_rows, t.rows - panel * panel_rows);
  const char* first = static_cast<const char*>(t.data) + static_cast<uint64_t>(panel * panel_rows) * stride;
  // Each row's share of the planes, in the order of k: four bytes of it go side by side with those of the other rows.
  alignas(64) uint8_t low[panel_rows][128] = {}, high[panel_rows][64] = {};
  for (int64_t s = 0; s < m.padded_cols / l.step; s++, out += l.bytes) {
    std::memset(out, 0, l.low_at);
    for (int32_t lane = 0; lane < rows; lane++) {
      const auto* block = reinterpret_cast<const Block*>(first + static_cast<uint64_t>(lane) * stride);
      RecordRow row{};
      for (int32_t i = 0; i < file_blocks; i++) {
        if (s * file_blocks + i < stored) {
          Record<T>::read(block[s * file_blocks + i], i, row);
        } else {
          std::memset(row.values + block_columns * i, l.offset, block_columns);  // zeros
        }
      }
      if (l.low_bits == 8 && !m.unsigned_q8) {
        for (uint8_t& v : row.values) v ^= 0x80;
      }
      for (int32_t b = 0; b < blocks; b++)
        put_planes<T>(row.values + block_columns * b, low[lane] + b * low_row, high[lane] + b * high_row);
      for (int32_t i = 0; i < file_blocks; i++) std::memcpy(out + 2 * (panel_rows * i + lane), &row.d[i], 2);
      if constexpr (l.step == 256) {
        for (int32_t i = 0; i < l.step / l.group; i++) out[l.scale_at + panel_rows * i + lane] = row.scale[i];
      }
      if constexpr (l.mins) {
        std::memcpy(out + l.dmin_at + 2 * lane, &row.dmin, 2);
        for (int32_t i = 0; i < blocks; i++) out[l.min_at + panel_rows * i + lane] = row.min[i];
      }
    }
    interleave<blocks * low_row / 4>(low, out + l.low_at);
    if constexpr (high_row > 0) interleave<blocks * high_row / 4>(high, out + l.high_at);
  }
}

/// The stored value of (k, lane) of a record, with the layout's offset.
int32_t read_value(const Packed& m, const Layout& l, const uint8_t* record, int32_t k, int32_t lane) {
  const int32_t i = quad(k % block_columns, lane);
  const uint8_t* low = record + l.low_at + k / block_columns * l.low_block;
  const uint8_t* high = record + l.high_at + k / block_columns * l.high_block;
  if (l.low_bits == 8) return static_cast<uint8_t>(low[i] ^ (m.unsigned_q8 ? 0 : 0x80));
  int32_t v = low[i % 256] >> (i / 256 * 4) & 15;
  if (l.high_bits == 2) v |= (high[i % 128] >> (i / 128 * 2) & 3) << 4;
  if (l.high_bits == 1) v |= (high[i % 64] >> (i / 64) & 1) << 4;
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

float read_float(DType type, const uint8_t* at) {
  if (type == DType::f32) {
    float v;
    std::memcpy(&v, at, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, at, 2);
  return type == DType::f16 ? gguf::f16_to_f32(h) : gguf::bf16_to_f32(h);
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
  bool done = false;
  for_quantised(t.type, [&](auto type) {
    pack_quantised<type.type>(t, m, panel, out);
    done = true;
  });
  if (done) return;
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
  const int64_t panel_bytes = padded / l.step * l.bytes;
  m->bytes = static_cast<uint64_t>(panel_bytes * panels);
  if (t.data != nullptr) m->memory = aligned_memory(m->bytes);
  auto* data = static_cast<uint8_t*>(m->memory.get());
  m->packed = {.type = t.type,
               .rows = t.rows,
               .cols = t.cols,
               .padded_cols = padded,
               .panels = panels,
               .panel_bytes = panel_bytes,
               .unsigned_q8 = unsigned_q8,
               .bulk = t.use == ops::MatrixUse::bulk,
               .data = data};
  if (t.data == nullptr) return m;  // to plan with
  pool.parallel_for(panels, [&](int64_t p, int) { pack_panel(t, m->packed, p, data + p * panel_bytes); });
  return m;
}

void unpack_row(const Packed& m, int64_t row, float* y) {
  const Layout l = layout_of(m.type);
  const int32_t lane = static_cast<int32_t>(row % panel_rows);
  const uint8_t* record = panel_at(m, row / panel_rows);
  for (int64_t begin = 0; begin < m.cols; begin += l.step, record += l.bytes, y += l.step) {
    const int32_t n = static_cast<int32_t>(std::min<int64_t>(l.step, m.cols - begin));
    for (int32_t k = 0; k < n; k++) {
      if (!l.quantised) {
        y[k] = read_float(m.type, record + float_at(m.type, k, lane));
        continue;
      }
      const float q = static_cast<float>(read_value(m, l, record, k, lane) - l.offset);
      if (l.step == 64) {
        y[k] = get_f16(record + k / block_columns * 2 * panel_rows, lane) * q;
        continue;
      }
      // Six bits unsigned, or eight signed (Q6_K).
      const auto scale = static_cast<float>(static_cast<int8_t>(record[l.scale_at + k / l.group * panel_rows + lane]));
      y[k] = get_f16(record, lane) * scale * q;
      if (l.mins) {
        const auto min = static_cast<float>(record[l.min_at + k / block_columns * panel_rows + lane]);
        y[k] -= get_f16(record + l.dmin_at, lane) * min;
      }
    }
  }
}

}  // namespace owl3::cpu::gemm
