#include "cuda/verbs/table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/math.h"

namespace owl3::cuda {
namespace {

/// Where the parts of a table lie from its beginning.
struct Places {
  size_t counts, ids, positions, row_sequence, sequences, tiles, pages, crops, wanted, end;
};

Places places(const TableLimits& l) {
  size_t at = 0;
  const auto take = [&](int64_t n, size_t size) {
    const size_t first = at;
    at += static_cast<size_t>(round_up(n * static_cast<int64_t>(size), 16));
    return first;
  };
  Places p;
  p.counts = take(1, sizeof(TableCounts));
  p.ids = take(l.rows, 4);
  p.positions = take(l.rows, 4);
  p.row_sequence = take(l.rows, 4);
  p.sequences = take(l.sequences, sizeof(SequenceEntry));
  p.tiles = take(l.rows, sizeof(TileEntry));  // a row each at most
  p.pages = take(l.pages, 4);
  p.crops = take(l.crops, sizeof(CropEntry));
  p.wanted = take(l.wanted, 4);
  p.end = at;
  return p;
}

template <class T>
T* at(void* base, size_t place) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + place);
}
template <class T>
const T* at(const void* base, size_t place) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) + place);
}

int32_t size_of(const auto& list) {
  return static_cast<int32_t>(list.size());
}
void copy(const std::vector<int32_t>& from, int32_t* to) {
  std::copy(from.begin(), from.end(), to);
}
int32_t to_power_of_two(int32_t n) {
  return n <= 0 ? 0 : static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(n)));
}

}  // namespace

TableLimits limits_of(const ops::PassTable& t) {
  return {size_of(t.ids), size_of(t.sequences), size_of(t.pages), size_of(t.crops), size_of(t.wanted)};
}

bool covers(const TableLimits& l, const TableLimits& other) {
  return l.rows >= other.rows && l.sequences >= other.sequences && l.pages >= other.pages && l.crops >= other.crops &&
         l.wanted >= other.wanted;
}

size_t table_bytes(const TableLimits& limits) {
  return places(limits).end;
}

PassExtent widened(const PassExtent& e) {
  return {e.rows, e.wanted, to_power_of_two(e.tiles), to_power_of_two(e.text_splits), to_power_of_two(e.hyper_splits)};
}

PassExtent write_table(const ops::PassTable& t, const TableLimits& limits, void* host) {
  if (!covers(limits, limits_of(t))) throw Error(ErrorCode::internal, "a table has more entries than its place");
  const Places p = places(limits);
  PassExtent extent{.rows = size_of(t.ids), .wanted = size_of(t.wanted)};
  copy(t.ids, at<int32_t>(host, p.ids));
  copy(t.positions, at<int32_t>(host, p.positions));
  copy(t.pages, at<int32_t>(host, p.pages));
  copy(t.wanted, at<int32_t>(host, p.wanted));
  auto* row_sequence = at<int32_t>(host, p.row_sequence);
  auto* sequences = at<SequenceEntry>(host, p.sequences);
  auto* tiles = at<TileEntry>(host, p.tiles);
  for (int32_t i = 0; i < size_of(t.sequences); i++) {
    const ops::TableSequence& s = t.sequences[static_cast<size_t>(i)];
    sequences[i] = {s.first_page, s.first_crop, s.crops};
    std::fill_n(row_sequence + s.first_row, s.rows, i);
    for (int32_t row = 0; row < s.rows; row += tile_positions)
      tiles[extent.tiles++] = {i, s.first_row + row, std::min(tile_positions, s.rows - row), s.first_position + row};
    if (s.rows == 0) continue;
    const auto text = static_cast<int32_t>(divide_up(int64_t{s.first_position} + s.rows, split_keys));
    extent.text_splits = std::max(extent.text_splits, text);
    extent.hyper_splits = std::max(extent.hyper_splits, text + s.crops);
  }
  auto* crops = at<CropEntry>(host, p.crops);
  for (const ops::TableCrop& crop : t.crops) *crops++ = {crop.crop, crop.position};
  *at<TableCounts>(host, p.counts) = {extent.tiles};
  return extent;
}

TableView table_view(const TableLimits& limits, const void* device) {
  const Places p = places(limits);
  return {.counts = at<TableCounts>(device, p.counts),
          .ids = at<int32_t>(device, p.ids),
          .positions = at<int32_t>(device, p.positions),
          .row_sequence = at<int32_t>(device, p.row_sequence),
          .sequences = at<SequenceEntry>(device, p.sequences),
          .tiles = at<TileEntry>(device, p.tiles),
          .pages = at<int32_t>(device, p.pages),
          .crops = at<CropEntry>(device, p.crops),
          .wanted = at<int32_t>(device, p.wanted)};
}

}  // namespace owl3::cuda
