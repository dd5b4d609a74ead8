// A hash for bytes that nobody forges: headers of our own files, and what they were made from.
#pragma once
#include <cstdint>
#include <cstring>

namespace owl3 {

/// A 64-bit hash of `bytes` bytes. `seed`: the hash of what comes before them.
inline uint64_t hash64(const void* data, uint64_t bytes, uint64_t seed = 0) {
  const auto* p = static_cast<const char*>(data);
  uint64_t h = seed ^ bytes * 0x9e3779b97f4a7c15u;
  for (uint64_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, p + i, bytes - i < 8 ? bytes - i : 8);
    h = (h ^ word) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
  }
  return h;
}

}  // namespace owl3
