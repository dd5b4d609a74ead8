// Pictures as the model takes them: Pillow's BICUBIC bit for bit, and the cutting of a picture into crops.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace owl3::image {

/// No side of a picture, given or asked for, may be longer: bounds the coefficients' memory and the work for 1 x N
/// pictures.
inline constexpr int kMaxSide = 1 << 20;
/// No picture, given or asked for, may have more pixels.
inline constexpr int64_t kMaxPixels = int64_t{1} << 28;

struct View {
  const uint8_t* rgb;  ///< [height, width, 3], rows packed
  int width, height;
};

/// `source` resized to width x height, [height, width, 3], as Pillow up to 12.2 does `Image.resize(..., BICUBIC)` with
/// RGB: antialiased, horizontal pass first, each pass rounded to 8 bits, a pass left out when that size stays. Throws
/// Error{invalid_argument} for sides outside 1..kMaxSide or more than kMaxPixels, Error{out_of_memory}. threads: at
/// most so many, 0: as many as the machine has. The result does not depend on it.
std::vector<uint8_t> resize(View source, int width, int height, int threads = 0);

/// Crops of a picture, [n, s, s, 3]: resized to (cols * s) x (rows * s) and cut row by row, then the global view s x s.
/// rows == 0: only the global view. Throws as resize does.
std::vector<uint8_t> cut(View source, int s, int rows, int cols, int threads = 0);

}  // namespace owl3::image
