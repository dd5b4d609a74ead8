#include "cuda/verbs/vision.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {

void patchify(Launcher& launcher, const ops::PatchifyParams& p) {
  PatchifyParams params{
      .crops = p.crops, .size = p.size, .patch = p.patch, .side = p.size / p.patch, .mean = {}, .std = {}, .y = p.y};
  std::copy_n(p.mean, 3, params.mean);
  std::copy_n(p.std, 3, params.std);
  launch(launcher, "patchify", {static_cast<uint32_t>(params.side), static_cast<uint32_t>(p.n)}, rows_threads, params);
}

void vision_attention(Launcher& launcher, const ops::VisionAttentionParams& p, ops::Precision) {
  if (p.head_dim > max_head_dim)
    throw Error(ErrorCode::unsupported, "vision attention with heads of " + std::to_string(p.head_dim) + " values");
  const VisionAttentionParams params{.q = p.q,
                                     .k = p.k,
                                     .v = p.v,
                                     .ld = p.ld,
                                     .out = p.out,
                                     .tokens = static_cast<int32_t>(p.tokens),
                                     .heads = p.heads,
                                     .head_dim = p.head_dim};
  launch(launcher, "vision_plain",
         {static_cast<uint32_t>(divide_up(p.tokens, queries)), static_cast<uint32_t>(p.heads),
          static_cast<uint32_t>(p.crops)},
         attention_threads, params, static_cast<uint32_t>(attention_floats(p.head_dim)) * sizeof(float));
}

}  // namespace owl3::cuda
