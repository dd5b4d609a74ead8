// The one table of a pass: all that differs from one pass to the next. A backend uploads it once, and every layer reads
// it, so that a recorded pass can be replayed with another table.
#pragma once
#include <cstdint>
#include <vector>

namespace owl3::ops {

/// Consecutive new rows of one sequence, and what they may see.
struct TableSequence {
  int32_t first_row = 0;
  int32_t rows = 0;
  int32_t first_position = 0;  ///< where first_row stands; the length is first_position + rows after the pass
  int32_t first_page = 0;      ///< index into PassTable::pages; the j-th page from there holds positions from j * page
                               ///< positions on
  int32_t pages = 0;           ///< enough for the new length
  int32_t first_crop = 0;      ///< index into PassTable::crops
  int32_t crops = 0;
};

/// A crop in sight: a query at position t sees all of its keys iff t >= position, else none.
struct TableCrop {
  int32_t crop = 0;      ///< its number in the store
  int32_t position = 0;  ///< to which its keys are rotated
};

struct PassTable {
  std::vector<int32_t> ids;        ///< [rows], in range: the caller checked
  std::vector<int32_t> positions;  ///< [rows]
  std::vector<TableSequence> sequences;
  std::vector<int32_t> pages;    ///< page numbers of all sequences, one sequence after another
  std::vector<TableCrop> crops;  ///< crops of all sequences, one sequence after another
  std::vector<int32_t> wanted;   ///< rows whose logits are wanted, ascending
  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
  void clear() {
    ids.clear();
    positions.clear();
    sequences.clear();
    pages.clear();
    crops.clear();
    wanted.clear();
  }
};

}  // namespace owl3::ops
