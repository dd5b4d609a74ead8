// e^x for x <= 0 from additions and multiplications alone, so that the compiler may vectorise it and every platform
// gets the same bits (libm's differ). Cody-Waite reduction and a Taylor polynomial of degree 7 on |r| <= ln2 / 2:
// relative error below 3e-7.
#pragma once
#include <cstdint>

namespace owl3::ops {

inline float exp_nonpositive(float x) {
  x = x > -87.f ? x : -87.f;  // 1.6e-38: still normal; and so that NaN can't reach the conversion below
  const float n = static_cast<float>(static_cast<int32_t>(x * 1.44269504f - 0.5f));
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.f / 5040;
  p = p * r + 1.f / 720;
  p = p * r + 1.f / 120;
  p = p * r + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  return p * __builtin_bit_cast(float, (static_cast<int32_t>(n) + 127) << 23);
}

}  // namespace owl3::ops
