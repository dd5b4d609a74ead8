// The largest logits of a row, ordered on the device.
#pragma once
#include <cstddef>
#include <span>

#include "cuda/launch.h"
#include "ops/pick.h"

namespace owl3::cuda {

/// For more than this many, copy the rows to the host (ops::Backend::pick does).
constexpr int32_t max_pick = 256;

/// Bytes of device memory that pick() takes for `rows` rows of `n` logits. Results come first.
size_t pick_bytes(int64_t rows, int64_t n, int32_t k);
/// Bytes at its beginning that hold the results: they are to be copied to the host.
size_t picked_bytes(int64_t rows, int64_t n, int32_t k);

/// Orders the k largest of each row of logits [rows, n] and sums their exponentials, k at most max_pick. `memory`:
/// pick_bytes() on the device, 256-byte aligned. `first` [rows] receives the first ids (k is at least 1 then), or is null.
void pick(Launcher& launcher, const float* logits, int64_t rows, int64_t n, int32_t k, void* memory, int32_t* first);
/// Reads results that were copied to the host. log_sum_exp may differ from ops::pick_row's in its last bits.
void read_picked(const void* host, int64_t n, int32_t k, std::span<ops::Picked> picked);

}  // namespace owl3::cuda
