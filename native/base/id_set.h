// A set of ids, one bit each: bit id % 64 of word id / 64. Ids past its words are not in it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace owl3 {

inline bool contains(std::span<const uint64_t> set, size_t id) {
  return id / 64 < set.size() && (set[id / 64] >> (id % 64) & 1) != 0;
}
/// The id must be within the words.
inline void add(std::span<uint64_t> set, size_t id) {
  set[id / 64] |= uint64_t{1} << (id % 64);
}
inline void remove(std::span<uint64_t> set, size_t id) {
  set[id / 64] &= ~(uint64_t{1} << (id % 64));
}

}  // namespace owl3
