// Plans state before any work what it takes of the memory of each device.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/stage.h"
#include "ops/backend.h"

namespace owl3::model {

struct PlanOptions {
  int32_t context = 0;    ///< positions a sequence
  int64_t crops = 0;      ///< encoded and in sight
  int32_t sequences = 1;  ///< stepped together
  ops::KvType kv_type = ops::KvType::f16;
  int32_t max_rows = 0;    ///< rows of a pass
  int32_t logit_rows = 0;  ///< rows of a pass whose logits are wanted; at least one for each sequence
};

/// Bytes that work takes at most.
struct MemoryPart {
  uint64_t weights = 0;
  uint64_t kv_cache = 0;   ///< text of all sequences
  uint64_t visual_kv = 0;  ///< crops in sight
  uint64_t embeds = 0;     ///< image_embeds while they are kept
  uint64_t scratch = 0;    ///< activations, rows of logits on device and host, and the backends' own scratch
  uint64_t total() const { return weights + kv_cache + visual_kv + embeds + scratch; }
  void add(const MemoryPart& other);
};

/// The part of one stage's device, or of the host.
struct DevicePart {
  std::string device;        ///< its name in options
  std::string name;          ///< with what it is
  int32_t layers = 0;        ///< the language model's
  uint64_t free_memory = 0;  ///< bytes of the device that are free now; 0: not known
  MemoryPart memory = {};
  uint64_t held_scratch = 0;  ///< bytes of the scratch that are there already, and so not among the free ones
};

/// On all devices together, and on each.
struct MemoryPlan : MemoryPart {
  std::vector<DevicePart> devices;  ///< one a stage; the last one is the host's, if no stage is on it
};

/// The plan of stages whose weights take so many bytes each.
MemoryPlan plan_memory(const Config& c, std::span<const Stage> stages, std::span<const uint64_t> weight_bytes,
                       const PlanOptions& options);

/// Bytes of the image_embeds of so many crops.
uint64_t embeds_bytes(const Config& c, int64_t crops);
/// Bytes of activations of the vision tower over so many crops.
size_t vision_activation_bytes(const Config& c, int64_t crops);

/// Bytes of the ids that a session keeps on the device for passes that run ahead, of so many rows at most; 0 where none
/// does: rows that are handed from stage to stage are waited for.
size_t next_ids_bytes(std::span<const Stage> stages, int32_t max_rows);

/// The size of a pass: its rows, and those whose logits are wanted; its sequences, and the positions and crops that each
/// has at most.
struct PassSize {
  int64_t rows = 0, wanted = 0, sequences = 0, positions = 0, crops = 0;
};
/// The most that a stage's inner scratch must serve in passes of this size, and for visual keys and values.
ops::ScratchNeed language_need(const Config& c, const Stage& stage, const PassSize& size);
/// And for the vision tower and the projector over so many crops.
ops::ScratchNeed vision_need(const Config& c, int64_t crops);

/// The part of a session's keys and values that the stage's backend keeps.
ops::KvShape kv_shape(const Config& c, const Stage& stage, ops::KvType type);

}  // namespace owl3::model
