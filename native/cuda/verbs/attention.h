// Causal and hyper attention over the table's rows.
#pragma once
#include <cstddef>

#include "cuda/launch.h"
#include "cuda/verbs/kv_layout.h"
#include "cuda/verbs/table.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// Bytes of scratch that attention() takes at most for `rows` query rows, `heads` heads of `head_dim` values.
size_t attention_scratch_bytes(int64_t rows, int32_t heads, int32_t head_dim);

/// ops::Backend::attention. `scratch`: attention_scratch_bytes() of at least this many rows, 256-byte aligned.
/// Error{unsupported} when heads is no multiple of kv_heads, or for heads of more than 256 values.
void attention(Launcher& launcher, const ops::AttentionParams& p, const DeviceTable& table, const KvAddresses& kv,
               void* scratch);

}  // namespace owl3::cuda
