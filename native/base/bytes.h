// Bytes as people read them.
#pragma once
#include <cstdint>
#include <string>

namespace owl3 {

/// "12.13 GB", or "67.1 MB" of less; further digits are cut off.
inline std::string bytes_text(uint64_t bytes) {
  const auto shown = [](double n, size_t digits) {
    const std::string all = std::to_string(n);
    return all.substr(0, all.find('.') + 1 + digits);
  };
  const auto n = static_cast<double>(bytes);
  return n >= 1e9 ? shown(n / 1e9, 2) + " GB" : shown(n / 1e6, 1) + " MB";
}

}  // namespace owl3
