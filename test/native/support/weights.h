// Weights and backends for the tests of matrix products.
#pragma once
#include <memory>
#include <vector>

#include "cpu/backend.h"
#include "support/machine.h"

namespace owl3::test {

inline std::vector<DType> all_types() {
  std::vector<DType> types;
  for (const gguf::Format& f : gguf::formats()) types.push_back(f.type);
  return types;
}

inline std::unique_ptr<ops::Backend> backend_of(Isa isa, ops::Precision precision = ops::Precision::automatic,
                                                int threads = 2) {
  return cpu::make_backend({.threads = threads, .precision = precision}, isa);
}

/// A matrix as a file would hold it, and its values.
struct Weights {
  DType type;
  int64_t n, k;
  std::vector<char> bytes;
  std::vector<float> values;
  Weights(DType t, int64_t rows, int64_t cols, uint32_t seed) : type(t), n(rows), k(cols) {
    const uint64_t stride = gguf::row_bytes(type, k);
    bytes.resize(static_cast<size_t>(n) * stride);
    values = normal_values(n * k, seed, 0.05f);
    for (int64_t r = 0; r < n; r++) {
      gguf::quantize_row(type, values.data() + r * k, bytes.data() + static_cast<uint64_t>(r) * stride, k);
      gguf::dequantize_row(type, bytes.data() + static_cast<uint64_t>(r) * stride, values.data() + r * k, k);
    }
  }
  ops::HostTensor host(ops::MatrixUse use = ops::MatrixUse::stream) const { return {type, n, k, bytes.data(), use}; }
};

}  // namespace owl3::test
