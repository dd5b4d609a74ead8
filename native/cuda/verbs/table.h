// ops::PassTable in device memory: fixed places for given limits, so that a recorded pass finds the next pass's table
// where it found its own.
#pragma once
#include <cstddef>

#include "cuda/kernels/params.h"
#include "ops/table.h"

namespace owl3::cuda {

/// The most entries that a table has room for.
struct TableLimits {
  int32_t rows = 0, sequences = 0, pages = 0, crops = 0, wanted = 0;
  bool operator==(const TableLimits&) const = default;
};
/// The entries of `table`.
TableLimits limits_of(const ops::PassTable& table);
bool covers(const TableLimits& limits, const TableLimits& other);

/// Bytes of a table, on the host and on the device (256-byte aligned there).
size_t table_bytes(const TableLimits& limits);

/// The sizes of a pass that grids depend on. A pass may be replayed with another table whose extent, after widened(), is
/// equal to that of the recording.
struct PassExtent {
  int32_t rows = 0;
  int32_t wanted = 0;
  int32_t tiles = 0;         ///< TileEntry
  int32_t text_splits = 0;   ///< the most splits that a sequence has in a layer without crops
  int32_t hyper_splits = 0;  ///< and with them
  bool operator==(const PassExtent&) const = default;
};
/// Tiles and splits rounded up to powers of two: blocks without work return at once.
PassExtent widened(const PassExtent& extent);

/// Lays `table` out in `host`, table_bytes(limits) that are then copied to the device as they are. Error{internal} when
/// the limits don't cover the table.
PassExtent write_table(const ops::PassTable& table, const TableLimits& limits, void* host);

/// A pass as its verbs see it.
struct DeviceTable {
  TableView view;
  PassExtent extent;
};
/// The addresses of a table that lies at `device`.
TableView table_view(const TableLimits& limits, const void* device);

}  // namespace owl3::cuda
