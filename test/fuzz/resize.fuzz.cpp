// Sizes of the resampler: any bytes are five numbers and pixels. What a resize may not do is read or write past its
// buffers, overflow, take ages, or depend on the number of threads.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "image/image.h"

using namespace owl3;

// 1 .. 4 million, small numbers as likely as large ones; now and then 0 or negative.
static int side(const uint8_t*& p) {
  const int exponent = *p++ % 24, rest = *p++;
  return exponent == 23 ? -rest : static_cast<int>(std::ldexp(1.0 + rest / 256.0, exponent));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* p, size_t n) {
  if (n < 9) return 0;
  const int w = side(p), h = side(p), ow = side(p), oh = side(p), seed = *p++;
  const int64_t pixels = int64_t{w} * h, cells = int64_t{ow} * oh;
  if (w > 0 && h > 0 && (w > (1 << 20) || h > (1 << 20) || pixels > (1 << 12))) return 0;
  std::vector<uint8_t> rgb(pixels > 0 ? 3 * pixels : 0);
  for (size_t i = 0; i < rgb.size(); i++) rgb[i] = static_cast<uint8_t>((i * 2654435761u + seed) >> 13);
  // Sides past the caps must be refused at once; large ones inside them cost too much for a fuzzer.
  if (cells > (1 << 12) && cells <= image::max_pixels) return 0;
  if (int64_t{h} * ow > (1 << 14)) return 0;
  try {
    const auto one = image::resize({rgb.data(), w, h}, ow, oh, 1);
    if (one.size() != static_cast<size_t>(3 * cells)) std::abort();
    if (image::resize({rgb.data(), w, h}, ow, oh, 3) != one) std::abort();
    // At most 16 crops and a whole of 16 x 16: instrumented, a million pixels take seconds on a busy machine
    if (ow <= 16) image::cut({rgb.data(), w, h}, ow, 1 + seed % 4, 1 + oh % 4, 2);
  } catch (const Error& e) {
    if (e.code != ErrorCode::invalid_argument) throw;
  }
  return 0;
}
