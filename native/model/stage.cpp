#include "model/stage.h"

#include <algorithm>

namespace owl3::model {

std::vector<Stage> make_stages(const Config& c, std::span<const Placement> placements) {
  std::vector<Stage> stages;
  int32_t layer = 0, hyper = 0;
  for (const Placement& p : placements) {
    if (p.layers < 0 || p.layers > c.blocks - layer)
      throw Error(ErrorCode::invalid_argument, "a placement of " + std::to_string(p.layers) + " layers after " +
                                                   std::to_string(layer) + " of " + std::to_string(c.blocks));
    const auto inside = [&](int32_t block) { return block >= layer && block < layer + p.layers; };
    const auto hyper_layers = static_cast<int32_t>(std::ranges::count_if(c.hyper_blocks, inside));
    stages.push_back({.backend = p.backend,
                      .first_layer = layer,
                      .layers = p.layers,
                      .hyper_layers = hyper_layers,
                      .first_hyper_layer = hyper});
    layer += p.layers;
    hyper += hyper_layers;
  }
  if (stages.empty() || layer != c.blocks)
    throw Error(ErrorCode::invalid_argument,
                "placements hold " + std::to_string(layer) + " of " + std::to_string(c.blocks) + " layers");
  return stages;
}

std::vector<Placement> spread_evenly(std::vector<std::shared_ptr<ops::Backend>> backends, int32_t layers) {
  std::vector<Placement> placements;
  const auto n = static_cast<int32_t>(backends.size());
  for (int32_t i = 0; i < n; i++)
    placements.push_back({std::move(backends[static_cast<size_t>(i)]), (layers * (i + 1)) / n - (layers * i) / n});
  return placements;
}

}  // namespace owl3::model
