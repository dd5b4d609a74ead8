// The bytes of a fuzzer as the choices of a target: each call takes some of them, and zeros come after the last.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace owl3::fuzz {

/// Ends the process where something is wrong, for the fuzzer to see.
inline void require(bool ok) {
  if (!ok) std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  uint8_t byte() { return at_ < end_ ? *at_++ : 0; }
  /// A number below n, which is at least 1.
  size_t below(size_t n) { return n <= 256 ? byte() % n : (size_t{byte()} << 8 | byte()) % n; }
  template <class T>
  T raw() {
    T value;
    uint8_t bytes[sizeof(T)];
    for (uint8_t& b : bytes) b = byte();
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  /// A whole number: mostly a small one or one at the end of a kind's range, sometimes any.
  uint64_t integer() {
    static constexpr uint64_t edges[] = {0,
                                         1,
                                         uint64_t(-1),
                                         INT8_MAX,
                                         UINT8_MAX,
                                         INT16_MAX,
                                         UINT16_MAX,
                                         INT32_MAX,
                                         uint64_t{1} << 31,
                                         UINT32_MAX,
                                         uint64_t{1} << 32,
                                         INT64_MAX,
                                         uint64_t{1} << 63,
                                         1 << 20,
                                         1 << 26,
                                         (uint64_t{1} << 53) + 1,
                                         uint64_t{1} << 62,
                                         uint64_t{1} << 40};
    const uint8_t how = byte();
    if (how < 128) return how % 64;
    if (how < 224) return edges[how % (sizeof edges / sizeof *edges)];
    return raw<uint64_t>();
  }
  /// A number: mostly one that code forgets.
  double number() {
    static constexpr double edges[] = {0.,
                                       -0.,
                                       1.,
                                       -1.,
                                       0.5,
                                       1e-6,
                                       1e-30,
                                       1e-320,
                                       1e30,
                                       1e4,
                                       1e5,
                                       3.5e38,
                                       -3.5e38,
                                       1e308,
                                       65520,
                                       1e12,
                                       __builtin_inf(),
                                       -__builtin_inf(),
                                       __builtin_nan("")};
    const uint8_t how = byte();
    return how < 224 ? edges[how % (sizeof edges / sizeof *edges)] : raw<double>();
  }

 private:
  const uint8_t *at_, *end_;
};

}  // namespace owl3::fuzz
