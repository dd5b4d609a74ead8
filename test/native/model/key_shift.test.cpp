// The vector that is subtracted from all keys of a layer.
#include "model/key_shift.h"

#include <cmath>

#include "support/harness.h"

using namespace owl3;

TEST("model: keys lose the bias of the channels that hardly turn over the context") {
  model::Config c;
  c.num_kv_heads = 2, c.head_dim = 8, c.rope_theta = 1e4f;  // pairs (d, d + 4) turn by 1, 0.1, 0.01, 0.001 a position
  std::vector<float> bias(16), visual(32);
  for (size_t d = 0; d < 16; d++) bias[d] = 1 + static_cast<float>(d);
  for (size_t d = 0; d < 32; d++) visual[d] = 100 + static_cast<float>(d);
  c.context_length = 1000;  // 1 radian for the last pair of each head
  const std::vector<float> last = {0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 16};
  CHECK(model::key_shift(c, bias, {}) == last);
  c.context_length = 1100;
  CHECK(model::key_shift(c, bias, {}) == std::vector<float>(16));
  c.context_length = 100;  // 1 radian for the last but one
  const std::vector<float> both = model::key_shift(c, bias, model::visual_key_bias(c, visual));
  CHECK_EQ(both[1], 0.0f);
  CHECK_EQ(both[2], (3 + 102) / 2.0f);    // head 0, K of v_kv_proj at 0 to 7
  CHECK_EQ(both[15], (16 + 123) / 2.0f);  // head 1, K at 16 to 23
}
