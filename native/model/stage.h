// Where the model's layers stand: consecutive layers of the language model on one backend. The first stage also holds
// the vision tower, the projector and the embedding, the last one the output; rows of activations are handed from
// stage to stage.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "model/config.h"
#include "model/scratch.h"
#include "ops/backend.h"

namespace owl3::model {

/// A backend and how many of the layers it takes.
struct Placement {
  std::shared_ptr<ops::Backend> backend;
  int32_t layers = 0;
};

struct Stage {
  std::shared_ptr<ops::Backend> backend;
  int32_t first_layer = 0;
  int32_t layers = 0;
  int32_t hyper_layers = 0;       ///< among these layers
  int32_t first_hyper_layer = 0;  ///< index of its first among the model's hyper layers
  ActivationBuffer activations = {};
};

/// Stages of a model of c.blocks layers. Error{invalid_argument} when the placements don't add up to them.
std::vector<Stage> make_stages(const Config& c, std::span<const Placement> placements);

/// Placements that share out `layers` evenly, earlier backends first.
std::vector<Placement> spread_evenly(std::vector<std::shared_ptr<ops::Backend>> backends, int32_t layers);

}  // namespace owl3::model
