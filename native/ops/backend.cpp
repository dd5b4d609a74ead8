#include "ops/backend.h"

namespace owl3::ops {

void Backend::read(void* dst, const void* src, size_t bytes) {
  copy_to_host(dst, src, bytes);
  wait(submit());
}

void Backend::copy_from(Backend& other, void* dst, const void* src, size_t bytes) {
  std::vector<char> host(bytes);
  other.copy_to_host(host.data(), src, bytes);
  other.wait(other.submit());
  copy_to_device(dst, host.data(), bytes);
}

void Backend::pick(const float* logits, int64_t n, int32_t k, std::span<Picked> picked) {
  std::vector<float> row(static_cast<size_t>(n));
  for (size_t i = 0; i < picked.size(); i++) {
    copy_to_host(row.data(), logits + static_cast<int64_t>(i) * n, row.size() * sizeof(float));
    wait(submit());
    picked[i] = pick_row(row, k);
  }
}

}  // namespace owl3::ops
