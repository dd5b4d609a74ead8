#include "cpu/patchify/patchify.h"

namespace owl3::cpu {

void patchify(Context& c, const ops::PatchifyParams& p) {
  const int64_t side = p.size / p.patch, area = int64_t{p.patch} * p.patch, cols = 3 * area;
  // A value has 256 possibilities: half a millisecond a crop, nothing is left to vectorise.
  float table[3][256];
  for (int channel = 0; channel < 3; channel++) {
    for (int i = 0; i < 256; i++)
      table[channel][i] = (static_cast<float>(i) / 255.0f - p.mean[channel]) / p.std[channel];
  }
  c.pool.parallel_for(p.n * side, [&](int64_t task, int) {
    const int64_t crop = task / side, py = task % side;
    for (int64_t px = 0; px < side; px++) {
      float* y = p.y + (task * side + px) * cols;
      for (int64_t row = 0; row < p.patch; row++) {
        const uint8_t* src = p.crops + (((crop * p.size) + py * p.patch + row) * p.size + px * p.patch) * 3;
        for (int64_t col = 0; col < p.patch; col++) {
          for (int64_t channel = 0; channel < 3; channel++) {
            y[channel * area + row * p.patch + col] = table[channel][src[col * 3 + channel]];
          }
        }
      }
    }
  });
}

}  // namespace owl3::cpu
