// Causal and hyper attention over the table's rows.
#pragma once
#include <cstddef>

#include "cuda/launch.h"
#include "cuda/verbs/kv_layout.h"
#include "cuda/verbs/table.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// Bytes of scratch that attention() needs for `rows` query rows, `heads` heads of `head_dim` values.
size_t attention_scratch_bytes(int64_t rows, int32_t heads, int32_t head_dim);
/// Bytes with which the keys of rows can be shared out to several blocks: those of a step of `sequences`, each with so
/// many positions and crops at most, or those that a few rows of any text take.
size_t shared_out_bytes(int64_t sequences, int64_t positions, int64_t crops, int32_t heads, int32_t head_dim);

/// ops::Backend::attention. `scratch`: attention_scratch_bytes() of at least this many rows, 256-byte aligned. Where the
/// states of splits have room in its `bytes`, few rows are shared out. Error{unsupported} when heads is no multiple of
/// kv_heads, or for heads of more than 256 values.
void attention(Launcher& launcher, const ops::AttentionParams& p, const DeviceTable& table, const KvAddresses& kv,
               void* scratch, size_t bytes);

}  // namespace owl3::cuda
