// Hashes of products of quantised weights. Their sums are of integers and their float additions have one order, so a GPU
// and the simulation of it have the same bits; cuda_hashes.txt holds them.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "base/hash.h"
#include "ops/backend.h"

namespace owl3::bench {

/// Numbers in [-size, size), the same everywhere.
inline std::vector<float> numbers(int64_t n, uint64_t seed, float size) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    v = (static_cast<float>(seed >> 40) / 8388608.0f - 1.0f) * size;
  }
  return values;
}

/// A line for each format and number of rows: "Q4_K, 8 rows: 0123456789abcdef". Rows pass a norm first; one output has a
/// bias, one is gated.
inline std::vector<std::string> product_hashes(ops::Backend& device) {
  constexpr int64_t n = 150, k = 1280;
  const auto floats = [&](const std::vector<float>& values) {
    ops::Backend::Buffer memory = device.allocate(values.size() * sizeof(float));
    device.copy_to_device(memory.get(), values.data(), values.size() * sizeof(float));
    return memory;
  };
  const auto weight_of_norm = floats(numbers(k, 1, 1)), bias = floats(numbers(n, 2, 1));
  std::vector<std::string> lines;
  for (const gguf::Format& format : gguf::formats()) {
    if (!gguf::quantised(format.type)) continue;
    const auto load = [&](uint64_t seed) {
      const std::vector<float> values = numbers(n * k, seed, 0.1f);
      const uint64_t row = gguf::row_bytes(format.type, k);
      std::vector<char> bytes(static_cast<size_t>(n) * row);
      for (int64_t r = 0; r < n; r++)
        gguf::quantize_row(format.type, values.data() + r * k, bytes.data() + static_cast<uint64_t>(r) * row, k);
      return device.load_matrix({.type = format.type, .rows = n, .cols = k, .data = bytes.data()});
    };
    const auto w = load(3), up = load(4), gate = load(5);
    for (const int64_t rows : {1, 8, 20, 40, 70}) {
      const auto x = floats(numbers(rows * k, 6, 2));
      std::vector<float> y(static_cast<size_t>(rows * 2 * n));
      const auto out = floats(y);
      auto* to = static_cast<float*>(out.get());
      const ops::LinearOutput outputs[] = {
          {.w = w.get(), .bias = static_cast<const float*>(bias.get()), .y = to, .ldy = 2 * n},
          {.w = up.get(), .gate = gate.get(), .y = to + n, .ldy = 2 * n}};
      const ops::Norm norm{ops::NormKind::rms, static_cast<const float*>(weight_of_norm.get()), nullptr, 1e-6f};
      device.linear(
          {.x = static_cast<const float*>(x.get()), .rows = rows, .ldx = k, .norm = norm, .outputs = outputs});
      device.copy_to_host(y.data(), to, y.size() * sizeof(float));
      device.wait(device.submit());
      char text[64];
      std::snprintf(text, sizeof text, "%s, %d rows: %016llx", format.name, static_cast<int>(rows),
                    static_cast<unsigned long long>(hash64(y.data(), y.size() * sizeof(float))));
      lines.emplace_back(text);
    }
  }
  return lines;
}

}  // namespace owl3::bench
