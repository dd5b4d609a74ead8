#include "cuda/verbs/vision.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

/// A kernel on the tensor cores, for heads of at most `head_dim` values; one and two terms (kernels/vision_mma.cuh).
struct VisionKernel {
  int head_dim;
  const char* one;
  const char* two;
};
constexpr VisionKernel kernels[] = {{32, "vision_one_32", "vision_two_32"},
                                    {64, "vision_one_64", "vision_two_64"},
                                    {80, "vision_one_80", "vision_two_80"},
                                    {128, "vision_one_128", "vision_two_128"}};

}  // namespace

void patchify(Launcher& launcher, const ops::PatchifyParams& p) {
  PatchifyParams params{
      .crops = p.crops, .size = p.size, .patch = p.patch, .side = p.size / p.patch, .mean = {}, .std = {}, .y = p.y};
  std::copy_n(p.mean, 3, params.mean);
  std::copy_n(p.std, 3, params.std);
  launch(launcher, "patchify", {static_cast<uint32_t>(params.side), static_cast<uint32_t>(p.n)}, rows_threads, params);
}

void vision_attention(Launcher& launcher, const ops::VisionAttentionParams& p, ops::Precision precision) {
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
  const auto heads = static_cast<uint32_t>(p.heads), crops = static_cast<uint32_t>(p.crops);
  const auto* kernel = std::find_if(std::begin(kernels), std::end(kernels),
                                    [&](const VisionKernel& k) { return p.head_dim <= k.head_dim; });
  if (precision == ops::Precision::exact || kernel == std::end(kernels))
    return launch(launcher, "vision_plain", {static_cast<uint32_t>(divide_up(p.tokens, queries)), heads, crops},
                  attention_threads, params, static_cast<uint32_t>(attention_floats(p.head_dim)) * sizeof(float));
  const bool one = precision == ops::Precision::fast || p.accuracy == ops::Accuracy::bfloat16;
  launch(launcher, one ? kernel->one : kernel->two,
         {static_cast<uint32_t>(divide_up(p.tokens, mma_vectors)), heads, crops}, mma_threads, params,
         static_cast<uint32_t>(vision_bytes(kernel->head_dim, one ? 1 : 2)));
}

}  // namespace owl3::cuda
