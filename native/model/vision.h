// The SigLIP tower and the projector: crops of pixels to image_embeds.
#pragma once
#include <atomic>

#include "model/config.h"
#include "model/scratch.h"
#include "model/weights.h"

namespace owl3::model {

/// Crops that go through the tower together: enough rows to use the machine, few enough to bound the scratch.
int64_t vision_batch(const VisionConfig& c);

/// embeds [n, T, d] (backend memory) of n crops [n, S, S, 3] (host, uint8 RGB); n is at most vision_batch(). All layers
/// that are stored, no final LayerNorm (arXiv 2303.15343 cut before its last layer, as hidden_states[-2]), then Linear,
/// GELU (erf), Linear, or one Linear alone (Config::projects_twice). Counts in `layers` each layer that was handed to the
/// backend.
void encode_crops(const Config& c, const VisionWeights& w, ops::Backend& backend, const VisionScratch& s,
                  const uint8_t* crops, int64_t n, float* embeds, std::atomic<int64_t>& layers);

}  // namespace owl3::model
