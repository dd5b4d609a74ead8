// Resizing as Pillow's BICUBIC does it, bit for bit, and the cutting of a picture into the crops that the model takes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace owl3::image {

/// The longest side, in pixels, that a source or a result may have. It bounds the coefficients' memory and the work for
/// 1 x N pictures.
inline constexpr int max_side = 1 << 20;
/// The largest number of pixels that a source or a result may have.
inline constexpr int64_t max_pixels = int64_t{1} << 28;

struct View {
  const uint8_t* rgb;  ///< [height, width, 3], rows packed
  int width, height;
};

/// Resizes `source` to width x height, [height, width, 3], as Pillow up to 12.2 does `Image.resize(..., BICUBIC)` with
/// RGB: antialiased, horizontal pass first, each pass rounded to 8 bits, and without the pass of a side that stays. Uses
/// at most `threads` threads (0: one per core); the result does not depend on it. Errors: invalid_argument for sides
/// outside 1..max_side or more than max_pixels, out_of_memory.
std::vector<uint8_t> resize(View source, int width, int height, int threads = 0);

/// The crops of a picture, [n, s, s, 3]: it is resized to (cols * s) x (rows * s) and cut row by row; the global view
/// s x s follows. With rows == 0 there is only the global view. Errors: those of resize.
std::vector<uint8_t> cut(View source, int s, int rows, int cols, int threads = 0);

}  // namespace owl3::image
