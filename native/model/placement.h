// Which device computes which layers.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "gguf/gguf.h"
#include "model/plan.h"
#include "model/stage.h"

namespace owl3::model {

/// A model's layers are placed before anything is known of its work but this.
struct PlaceOptions {
  /// The most layers that devices with memory of their own take; < 0: as many as fit.
  int32_t gpu_layers = -1;
  /// The work that must fit beside the weights, and its type of KV cache if that is not the model's default.
  PlanOptions work = {.context = 4096, .crops = 16, .max_rows = 512};
  std::optional<ops::KvType> kv_type = {};
};

/// Shares out a model's layers among backends, in their order.
///
/// Devices with memory of their own (Backend::free_memory) share the layers in proportion to what each has room for, and
/// backends without take what is left: none at all, where everything fits. Backends without layers are left out. Where no
/// device says what memory it has, all get the same number of layers.
///
/// Error{out_of_memory} that says how many layers would fit, when no backend is there to take the others.
std::vector<Placement> place_layers(const gguf::File& file, const Config& config,
                                    std::vector<std::shared_ptr<ops::Backend>> backends, const PlaceOptions& options);

}  // namespace owl3::model
