#include "cpu/gemm/pack.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/math.h"
#include "cpu/gemm/formats.h"
#include "cpu/workspace.h"

namespace owl3::cpu::gemm {
namespace {

/// The index of value (k, row) of a block in quad order.
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
    for (int k = 0; k < 16; k += 8)
      store_eight(low + k, (load_eight(values + k) & eight(15)) | (load_eight(values + k + 16) & eight(15)) << 4);
  }
  if constexpr (l.high_bits == 2) {
    uint64_t bits = 0;
    for (int g = 0; g < 4; g++) bits |= (load_eight(values + 8 * g) >> 4 & eight(3)) << 2 * g;
    store_eight(high, bits);
  }
  if constexpr (l.high_bits == 1) {
    uint64_t bits = 0;  // of values 8g to 8g + 3 below, of the next four above
    for (int g = 0; g < 4; g++) bits |= (load_eight(values + 8 * g) >> 4 & eight(1)) << 2 * g;
    const auto word = static_cast<uint32_t>(bits | bits >> 31);
    std::memcpy(high, &word, 4);
  }
}

/// Four words of 32 bits.
typedef uint32_t Words __attribute__((vector_size(16)));
#if __has_builtin(__builtin_shufflevector)  // gcc 12, clang
#define OWL3_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define OWL3_PICK(a, b, ...) __builtin_shuffle(a, b, Words{__VA_ARGS__})
#endif

/// Word 0 of each of the 16 rows, then the next: rows [16][ld] -> out [words][16][4].
template <int32_t Ld>
void interleave(const uint8_t (&rows)[panel_rows][Ld], int32_t words, uint8_t* out) {
  const int32_t fours = words / 4 * 4;
  for (int32_t i = 0; i < fours; i += 4) {
    for (int32_t lane = 0; lane < panel_rows; lane += 4) {
      Words r[4];
      for (int32_t j = 0; j < 4; j++) std::memcpy(&r[j], rows[lane + j] + 4 * i, sizeof r[j]);
      const Words a = OWL3_PICK(r[0], r[1], 0, 4, 1, 5), b = OWL3_PICK(r[2], r[3], 0, 4, 1, 5);
      const Words c = OWL3_PICK(r[0], r[1], 2, 6, 3, 7), d = OWL3_PICK(r[2], r[3], 2, 6, 3, 7);
      r[0] = OWL3_PICK(a, b, 0, 1, 4, 5);
      r[1] = OWL3_PICK(a, b, 2, 3, 6, 7);
      r[2] = OWL3_PICK(c, d, 0, 1, 4, 5);
      r[3] = OWL3_PICK(c, d, 2, 3, 6, 7);
      for (int32_t j = 0; j < 4; j++) std::memcpy(out + 64 * (i + j) + 4 * lane, &r[j], sizeof r[j]);
    }
  }
  for (int32_t i = fours; i < words; i++) {
    for (int32_t lane = 0; lane < panel_rows; lane++) std::memcpy(out + 64 * i + 4 * lane, rows[lane] + 4 * i, 4);
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
  RecordRow row{};
  for (int64_t s = 0; s < m.padded_cols / l.step; s++, out += l.bytes) {
    std::memset(out, 0, l.low_at);
    for (int32_t lane = 0; lane < rows; lane++) {
      const auto* block = reinterpret_cast<const Block*>(first + static_cast<uint64_t>(lane) * stride);
      for (int32_t i = 0; i < file_blocks; i++) {
        if (s * file_blocks + i < stored) {
          Record<T>::read(block[s * file_blocks + i], i, row);
        } else {
          row.d[i] = 0;
          std::memset(row.values + block_columns * i, l.offset, block_columns);  // zeros
        }
      }
      if (l.low_bits == 8 && !m.unsigned_q8) {
        for (int32_t k = 0; k < l.step; k += 8) store_eight(row.values + k, load_eight(row.values + k) ^ eight(0x80));
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
    interleave(low, blocks * low_row / 4, out + l.low_at);
    if constexpr (high_row > 0) interleave(high, blocks * high_row / 4, out + l.high_at);
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

/// Packs a panel of a float type; rows past the last and columns past a row's end are zeros.
void pack_floats(const ops::HostTensor& t, const Packed& m, int64_t panel, uint8_t* out) {
  constexpr int64_t step = 64;
  const auto size = static_cast<int64_t>(float_size(t.type));
  const uint64_t stride = gguf::row_bytes(t.type, t.cols);
  const int64_t count = std::min<int64_t>(panel_rows, t.rows - panel * panel_rows);
  const char* first = static_cast<const char*>(t.data) + static_cast<uint64_t>(panel * panel_rows) * stride;
  alignas(64) uint8_t rows[panel_rows][step * 4] = {};
  for (int64_t k = 0; k < m.padded_cols; k += step) {
    const int64_t stored = std::clamp<int64_t>(t.cols - k, 0, step), n = std::min(step, m.padded_cols - k);
    for (int64_t lane = 0; lane < count; lane++) {
      const char* row = first + static_cast<uint64_t>(lane) * stride + k * size;
      std::memcpy(rows[lane], row, static_cast<size_t>(stored * size));
      std::memset(rows[lane] + stored * size, 0, static_cast<size_t>((step - stored) * size));
    }
    uint8_t* to = out + k * panel_rows * size;
    interleave(rows, static_cast<int32_t>(n * size / 4), to);
    if (t.type != DType::f16) continue;
    for (int64_t i = 0; i < n; i += 2) {  // two columns of each row, [16][2] -> [2][16]
      uint32_t both[panel_rows];
      uint16_t halves[2][panel_rows];
      std::memcpy(both, to + i * panel_rows * 2, sizeof both);
      for (int32_t lane = 0; lane < panel_rows; lane++) halves[0][lane] = static_cast<uint16_t>(both[lane]);
      for (int32_t lane = 0; lane < panel_rows; lane++) halves[1][lane] = static_cast<uint16_t>(both[lane] >> 16);
      std::memcpy(to + i * panel_rows * 2, halves, sizeof halves);
    }
  }
}

void pack_panel(const ops::HostTensor& t, const Packed& m, int64_t panel, uint8_t* out) {
  if (!layout_of(t.type).quantised) return pack_floats(t, m, panel, out);
  for_quantised(t.type, [&](auto type) { pack_quantised<type.type>(t, m, panel, out); });
}

void set_panels(PackedMatrix& m, std::shared_ptr<const void> panels) {
  m.packed.data = static_cast<const uint8_t*>(panels.get());
  m.memory = std::move(panels);
}

/// Packs into a copy; returns false when it could not be written.
bool pack_to(PackedCopy& copy, const ops::HostTensor& t, PackedMatrix& m, ThreadPool& pool) {
  constexpr int64_t bytes_at_once = 512 << 10;  // in L2, between packing and writing
  const int64_t some = std::max<int64_t>(1, bytes_at_once / m.packed.panel_bytes), panels = m.packed.panels;
  const uint64_t at = copy.add(t, m.bytes);
  pool.parallel_for(divide_up(panels, some), [&](int64_t task, int worker) {
    const int64_t first = task * some, n = std::min(some, panels - first), bytes = n * m.packed.panel_bytes;
    auto* buffer = static_cast<uint8_t*>(copy.buffer(worker, static_cast<uint64_t>(some * m.packed.panel_bytes)));
    for (int64_t p = 0; p < n; p++) pack_panel(t, m.packed, first + p, buffer + p * m.packed.panel_bytes);
    copy.write(at + static_cast<uint64_t>(first * m.packed.panel_bytes), buffer, static_cast<uint64_t>(bytes));
  });
  if (!copy.writing()) return false;
  copy.when_finished({.at = at, .bytes = m.bytes, .use = [&m](std::shared_ptr<const void> panels_of_copy) {
                        set_panels(m, std::move(panels_of_copy));
                      }});
  return true;
}

}  // namespace

std::unique_ptr<PackedMatrix> pack_matrix(const ops::HostTensor& t, bool unsigned_q8, ThreadPool& pool,
                                          PackedCopy* copy) {
  gguf::row_bytes(t.type, t.cols);  // checks cols
  const Layout l = layout_of(t.type);
  auto m = std::make_unique<PackedMatrix>();
  m->rows = t.rows;
  m->cols = t.cols;
  m->type = t.type;
  const int64_t padded = round_up(t.cols, l.step), panels = round_up(t.rows, panel_rows) / panel_rows;
  const int64_t panel_bytes = padded / l.step * l.bytes;
  m->bytes = static_cast<uint64_t>(panel_bytes * panels);
  m->packed = {.type = t.type,
               .rows = t.rows,
               .cols = t.cols,
               .padded_cols = padded,
               .panels = panels,
               .panel_bytes = panel_bytes,
               .unsigned_q8 = unsigned_q8,
               .use = t.use,
               .data = nullptr};
  if (t.data == nullptr) return m;  // to plan with
  if (copy != nullptr) {
    if (auto kept = copy->find(t, m->bytes)) {
      set_panels(*m, std::move(kept));
      return m;
    }
    if (copy->writing() && pack_to(*copy, t, *m, pool)) return m;
  }
  const std::shared_ptr<void> memory = aligned_memory(m->bytes);
  auto* data = static_cast<uint8_t*>(memory.get());
  pool.parallel_for(panels, [&](int64_t p, int) { pack_panel(t, m->packed, p, data + p * panel_bytes); });
  set_panels(*m, memory);
  return m;
}

uint64_t packing_fingerprint(bool unsigned_q8, ThreadPool& pool) {
  constexpr int64_t rows = panel_rows + 1;
  uint64_t hash = 0;
  for (const gguf::Format& format : gguf::formats()) {
    const int64_t cols = 3 * std::max<int64_t>(block_columns, format.block_size);
    std::vector<uint8_t> bytes(gguf::row_bytes(format.type, cols) * rows);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 167 + i / 256 * 59);
    for (const ops::MatrixUse use : {ops::MatrixUse::stream, ops::MatrixUse::bulk, ops::MatrixUse::logits}) {
      const auto m = pack_matrix({.type = format.type, .rows = rows, .cols = cols, .data = bytes.data(), .use = use},
                                 unsigned_q8, pool);
      hash = hash64(m->memory.get(), m->bytes, hash);
    }
  }
  return hash;
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
