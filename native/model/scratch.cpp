#include "model/scratch.h"

namespace owl3::model {

VisionScratch vision_scratch(const Config& c, int64_t crops, void* base, size_t* bytes) {
  const VisionConfig& v = c.vision;
  const int64_t rows = crops * v.tokens();
  Arena at(base);
  VisionScratch s;
  s.x = at.floats(rows * v.hidden);
  const size_t free = at.mark();
  s.qkv = at.floats(rows * 3 * v.hidden);
  s.attn = at.floats(rows * v.hidden);
  at.rewind(free);
  s.patches = at.floats(rows * v.patch_values());
  at.rewind(free);
  s.h = at.floats(rows * v.mlp);
  at.rewind(free);
  s.m = at.floats(rows * c.hidden);
  if (bytes != nullptr) *bytes = at.bytes();
  return s;
}

LanguageScratch language_scratch(const Config& c, int64_t rows, int64_t out_rows, void* base, size_t* bytes) {
  const int64_t width = static_cast<int64_t>(c.heads) * c.head_dim;
  Arena at(base);
  LanguageScratch s;
  s.x = at.floats(rows * c.hidden);
  const size_t free = at.mark();
  s.q = at.floats(rows * width);
  s.kv = at.floats(rows * 2 * c.kv_width());
  s.attn = at.floats(rows * width);
  at.rewind(free);
  s.h = at.floats(rows * c.mlp);
  at.rewind(free);
  s.out = at.floats(out_rows * c.hidden);
  s.logits = at.floats(out_rows * c.vocab);
  at.rewind(0);
  s.visual = at.floats(static_cast<int64_t>(c.vision.tokens()) * 2 * c.kv_width());
  s.embeds = at.floats(static_cast<int64_t>(c.vision.tokens()) * c.hidden);
  if (bytes != nullptr) *bytes = at.bytes();
  return s;
}

}  // namespace owl3::model
