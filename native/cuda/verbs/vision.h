// Pixels to patches, and the attention of the vision tower.
#pragma once
#include "cuda/launch.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// ops::Backend::patchify, but p.crops lies on the device.
void patchify(Launcher& launcher, const ops::PatchifyParams& p);

/// ops::Backend::vision_attention. Error{unsupported} for heads of more than 256 values.
void vision_attention(Launcher& launcher, const ops::VisionAttentionParams& p, ops::Precision precision);

}  // namespace owl3::cuda
