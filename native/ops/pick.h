// The few numbers that choosing a token needs of a row of logits, so that the row itself can stay on its device.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"

namespace owl3::ops {

/// The largest logits of one row.
struct Picked {
  std::vector<int32_t> ids;   ///< [k] in falling order of their logits; equal logits are ordered by id
  std::vector<float> logits;  ///< [k]
  /// log(sum(exp(logits))) over the whole row: a log-probability is a logit minus this. NaN when the row holds a NaN or
  /// an infinity, or no finite number at all.
  double log_sum_exp = 0;
};

/// Calls piece(i) once for every i in [0, n), on any threads, and returns when all are done.
using RunPieces = FunctionRef<void(int64_t n, FunctionRef<void(int64_t i)> piece)>;

/// Picks the k largest of a row on the host; k is cut to the size of the row. The work is run twice in pieces; their
/// results are put together in one order, so the bits are the same everywhere and on any number of threads.
Picked pick_row(std::span<const float> row, int32_t k, RunPieces run);
/// On this thread alone.
Picked pick_row(std::span<const float> row, int32_t k);

/// Indices of the k largest values in falling order, equal ones by index.
std::vector<int32_t> top_k(std::span<const float> row, size_t k);

}  // namespace owl3::ops
