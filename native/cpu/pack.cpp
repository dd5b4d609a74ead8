#include "cpu/pack.h"

#include <algorithm>
#include <cstring>

#include "cpu/scratch.h"
#include "gguf/blocks.h"

namespace owl3::cpu {
namespace {

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}
int32_t quad(int32_t k, int32_t row) {
  return k / 4 * 64 + row * 4 + k % 4;
}

/// What a record says about one of its rows: unsigned values and its scales as stored.
struct RowStep {
  uint8_t q[256];
  uint16_t d[2], dmin;
  uint8_t scale[16], min[8];
};

template <class Block>
const Block* block_at(const void* row, int64_t i) {
  return reinterpret_cast<const Block*>(row) + i;
}

/// Takes step `s` of a row of the file apart; blocks past its end are zeros.
void read_step(const HostTensor& t, const char* row, int64_t s, RowStep& out) {
  switch (t.type) {
    case DType::q8_0:
    case DType::q4_0:
    case DType::q5_0:
      for (int half = 0; half < 2; half++) {
        const int64_t b = s * 2 + half;
        uint8_t* q = out.q + half * 32;
        out.d[half] = 0;
        std::memset(q, t.type == DType::q8_0 ? 128 : t.type == DType::q4_0 ? 8 : 16, 32);
        if (b * 32 >= t.cols) continue;
        if (t.type == DType::q8_0) {
          const auto* block = block_at<BlockQ8_0>(row, b);
          out.d[half] = block->d;
          for (int i = 0; i < 32; i++) q[i] = static_cast<uint8_t>(block->q[i] + 128);
        } else if (t.type == DType::q4_0) {
          const auto* block = block_at<BlockQ4_0>(row, b);
          out.d[half] = block->d;
          for (int i = 0; i < 16; i++) {
            q[i] = block->q[i] & 15;
            q[i + 16] = block->q[i] >> 4;
          }
        } else {
          const auto* block = block_at<BlockQ5_0>(row, b);
          out.d[half] = block->d;
          for (int i = 0; i < 16; i++) {
            q[i] = static_cast<uint8_t>((block->q[i] & 15) | (block->high[i / 8] >> i % 8 & 1) << 4);
            q[i + 16] = static_cast<uint8_t>((block->q[i] >> 4) | (block->high[2 + i / 8] >> i % 8 & 1) << 4);
          }
        }
      }
      return;
    case DType::q4_k: {
      const auto* block = block_at<BlockQ4_K>(row, s);
      out.d[0] = block->d;
      out.dmin = block->dmin;
      unpack_scales(block->scales, out.scale, out.min);
      for (int i = 0; i < 256; i++) {
        const uint8_t byte = block->q[i / 64 * 32 + i % 32];
        out.q[i] = i % 64 < 32 ? byte & 15 : byte >> 4;
      }
      return;
    }
    case DType::q5_k: {
      const auto* block = block_at<BlockQ5_K>(row, s);
      out.d[0] = block->d;
      out.dmin = block->dmin;
      unpack_scales(block->scales, out.scale, out.min);
      for (int i = 0; i < 256; i++) {
        const uint8_t byte = block->q[i / 64 * 32 + i % 32];
        out.q[i] =
            static_cast<uint8_t>((i % 64 < 32 ? byte & 15 : byte >> 4) | (block->high[i % 32] >> i / 32 & 1) << 4);
      }
      return;
    }
    case DType::q6_k: {
      const auto* block = block_at<BlockQ6_K>(row, s);
      out.d[0] = block->d;
      std::memcpy(out.scale, block->scales, 16);
      for (int i = 0; i < 256; i++) {
        const int half = i / 128, j = i % 128;
        const uint8_t low = block->low[half * 64 + j % 64];
        out.q[i] = static_cast<uint8_t>((j < 64 ? low & 15 : low >> 4) |
                                        (block->high[half * 32 + j % 32] >> j / 32 * 2 & 3) << 4);
      }
      return;
    }
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return;
  }
}

void put_f16(uint8_t* at, int32_t lane, uint16_t h) {
  std::memcpy(at + lane * 2, &h, 2);
}
uint16_t get_f16(const uint8_t* at, int32_t lane) {
  uint16_t h;
  std::memcpy(&h, at + lane * 2, 2);
  return h;
}

/// Four bytes to each of `n` quads of a lane.
void put_quads(const uint8_t* bytes, int n, int32_t lane, uint8_t* plane) {
  for (int g = 0; g < n; g++) std::memcpy(plane + 64 * g + 4 * lane, bytes + 4 * g, 4);
}

/// Offset of block b's planes in a record.
struct Planes {
  int32_t q, high;  // 4-bit (or whole) and upper bits
};
Planes planes(DType type, int32_t b) {
  switch (type) {
    case DType::q8_0:
      return {q_at_32 + b * 512, 0};
    case DType::q4_0:
      return {q_at_32 + b * 256, 0};
    case DType::q5_0:
      return {q_at_32 + b * 256, high_at_32 + b * 64};
    case DType::q6_k:
      return {q_at_k + b * 256, high_at_k + b * 128};
    default:
      return {q_at_k + b * 256, high_at_k + b * 64};
  }
}

/// Puts one row's step into its lane of a record that was cleared.
void write_step(const Packed& m, const RowStep& s, int32_t lane, uint8_t* record) {
  const Layout l = layout_of(m.type);
  if (l.step == 64) {
    for (int b = 0; b < 2; b++) put_f16(record + b * 32, lane, s.d[b]);
  } else {
    put_f16(record, lane, s.d[0]);
    if (l.mins) put_f16(record + dmin_at, lane, s.dmin);
    for (int i = 0; i < l.step / l.group; i++) record[scale_at + i * 16 + lane] = s.scale[i];
    for (int i = 0; l.mins && i < 8; i++) record[min_at + i * 16 + lane] = s.min[i];
  }
  for (int32_t b = 0; b < l.step / 32; b++) {
    const Planes at = planes(m.type, b);
    const uint8_t* q = s.q + b * 32;
    uint8_t bytes[32];  // in the order of k: four by four they go to their quads
    if (m.type == DType::q8_0) {
      const uint8_t flip = m.unsigned_q8 ? 0 : 0x80;
      for (int k = 0; k < 32; k++) bytes[k] = q[k] ^ flip;
      put_quads(bytes, 8, lane, record + at.q);
      continue;
    }
    for (int k = 0; k < 16; k++) bytes[k] = static_cast<uint8_t>((q[k] & 15) | (q[k + 16] & 15) << 4);
    put_quads(bytes, 4, lane, record + at.q);
    if (m.type == DType::q6_k) {
      for (int k = 0; k < 8; k++) {
        bytes[k] = static_cast<uint8_t>(q[k] >> 4 | q[k + 8] >> 4 << 2 | q[k + 16] >> 4 << 4 | q[k + 24] >> 4 << 6);
      }
      put_quads(bytes, 2, lane, record + at.high);
    } else if (m.type == DType::q5_0 || m.type == DType::q5_k) {
      for (int k = 0; k < 4; k++) {
        uint32_t bits = 0;
        for (int g = 0; g < 8; g++) bits |= static_cast<uint32_t>(q[4 * g + k] >> 4) << g;
        bytes[k] = static_cast<uint8_t>(bits);
      }
      put_quads(bytes, 1, lane, record + at.high);
    }
  }
}

/// The stored value of (k, lane) of a record.
int32_t read_value(const Packed& m, const uint8_t* record, int32_t k, int32_t lane) {
  const Planes at = planes(m.type, k / 32);
  const int32_t i = quad(k % 32, lane);
  if (m.type == DType::q8_0) return static_cast<uint8_t>(record[at.q + i] ^ (m.unsigned_q8 ? 0 : 0x80));
  int32_t v = record[at.q + i % 256] >> (i / 256 * 4) & 15;
  if (m.type == DType::q6_k) v |= (record[at.high + i % 128] >> (i / 128 * 2) & 3) << 4;
  if (m.type == DType::q5_0 || m.type == DType::q5_k) v |= (record[at.high + i % 64] >> (i / 64) & 1) << 4;
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

void pack_floats(DType type, const char* row, int64_t n, int32_t lane, uint8_t* record) {
  for (int64_t k = 0; k < n; k++) {
    uint8_t* to = record + float_at(type, k, lane);
    if (type == DType::f32)
      std::memcpy(to, row + 4 * k, 4);
    else
      std::memcpy(to, row + 2 * k, 2);
  }
}

void pack_panel(const HostTensor& t, const Packed& m, int64_t panel, uint8_t* out) {
  const Layout l = layout_of(t.type);
  std::memset(out, 0, static_cast<size_t>(m.panel_bytes));
  const uint64_t stride = row_bytes(t.type, t.cols);
  RowStep step{};
  for (int32_t lane = 0; lane < panel_rows; lane++) {
    const int64_t r = panel * panel_rows + lane;
    if (r >= t.rows) break;  // scales of zero make the rest zeros
    const char* row = static_cast<const char*>(t.data) + static_cast<uint64_t>(r) * stride;
    if (l.group == 0) {
      for (int64_t k = 0; k < t.cols; k += l.step) {
        pack_floats(t.type, row + static_cast<size_t>(k) * float_size(t.type), std::min<int64_t>(l.step, t.cols - k),
                    lane, out + k / l.step * l.record);
      }
      continue;
    }
    for (int64_t s = 0; s < m.padded_cols / l.step; s++) {
      read_step(t, row, s, step);
      write_step(m, step, lane, out + s * l.record);
    }
  }
}

}  // namespace

std::unique_ptr<PackedMatrix> pack_matrix(const HostTensor& t, bool unsigned_q8, ThreadPool& pool) {
  row_bytes(t.type, t.cols);  // checks cols
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
  m->packed = {t.type, t.rows, t.cols, padded, panels, panel_bytes, unsigned_q8, t.use == MatrixUse::bulk, data};
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
        y[k] = m.type == DType::f16 ? f16_to_f32(h) : bf16_to_f32(h);
      continue;
    }
    const float q = static_cast<float>(read_value(m, record, i, lane) - l.offset);
    if (l.step == 64) {
      y[k] = f16_to_f32(get_f16(record + i / 32 * 32, lane)) * q;
      continue;
    }
    const uint8_t s = record[scale_at + i / l.group * 16 + lane];
    const float scale = m.type == DType::q6_k ? static_cast<float>(static_cast<int8_t>(s)) : static_cast<float>(s);
    y[k] = f16_to_f32(get_f16(record, lane)) * scale * q;
    if (l.mins)
      y[k] -= f16_to_f32(get_f16(record + dmin_at, lane)) * static_cast<float>(record[min_at + i / 32 * 16 + lane]);
  }
}

}  // namespace owl3::cpu
