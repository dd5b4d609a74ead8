// LayerNorm and RMSNorm of one row.
#pragma once
#include "ops/backend.h"

namespace owl3::cpu {

/// y = norm(x), both [k]; y may be x. NormKind::none copies.
void norm_row(const Norm& norm, const float* x, float* y, int64_t k);

}  // namespace owl3::cpu
