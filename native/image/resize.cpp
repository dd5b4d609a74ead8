#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "image/coefficients.h"
#include "image/image.h"
#include "image/kernels.h"

namespace owl3::image {
namespace {

constexpr int lane_count = Kernels::lane_count;
constexpr int max_threads = 64;

/// Threads for a resize that may use `wanted` (0: one per core, up to 16: more gain nothing at the sizes of photos).
int thread_count(int wanted) {
  if (wanted > 0) return std::min(wanted, max_threads);
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
}

/// Runs f(), with a failed allocation as Error{out_of_memory}.
template <class F>
auto or_out_of_memory(F f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory to resize a picture");
  }
}

void check(const char* what, int width, int height) {
  const bool fits = width >= 1 && height >= 1 && width <= max_side && height <= max_side &&
                    static_cast<int64_t>(width) * height <= max_pixels;
  if (!fits)
    throw Error(ErrorCode::invalid_argument, std::string(what) + " of " + std::to_string(width) + " x " +
                                                 std::to_string(height) + " pixels: sides must be 1 to " +
                                                 std::to_string(max_side) + ", pixels at most " +
                                                 std::to_string(max_pixels));
}

/// One resize, computed in bands of output rows so that threads share nothing. The vertical sums of a band are kept as
/// 32-bit integers and fed row by row from the horizontal pass: there is no intermediate picture, which for 1 x N ones
/// would be thousands of times the input.
struct Plan {
  View source;
  int width, height;
  bool horizontal, vertical;
  Coefficients columns, rows;
  const Kernels& kernels;
  uint8_t* out;

  int64_t row_bytes() const { return int64_t{3} * width; }
  const uint8_t* source_row(int y) const { return source.rgb + int64_t{3} * source.width * y; }

  /// Writes rows [y, y + n) of the source after the horizontal pass, packed, to `to`.
  void horizontal_rows(int y, int n, uint8_t* transposed, uint8_t* to) const {
    const int64_t in_bytes = int64_t{3} * source.width;
    kernels.transpose(source_row(y), in_bytes, n, in_bytes, transposed);
    for (int x = 0; x < width; x++)
      kernels.column(transposed + int64_t{3} * lane_count * columns.first[x], columns.of(x), columns.count[x], n,
                     row_bytes(), to + int64_t{3} * x);
  }

  /// Computes output rows [begin, end).
  void band(int begin, int end) const {
    const int64_t bytes = row_bytes();
    const int in_begin = vertical ? rows.first[begin] : begin;
    const int in_end = vertical ? rows.first[end - 1] + rows.count[end - 1] : end;
    std::vector<uint8_t> transposed(horizontal ? int64_t{3} * lane_count * source.width : 0);
    std::vector<uint8_t> lines(horizontal && vertical ? bytes * lane_count : 0);
    std::vector<int32_t> sums(vertical ? bytes * (end - begin) : 0, 1 << (precision_bits - 1));
    int active = begin;  // the first output row that is not finished
    for (int y = in_begin; y < in_end; y += lane_count) {
      const int n = std::min(lane_count, in_end - y);
      const uint8_t* line = source_row(y);
      if (horizontal) {
        uint8_t* to = vertical ? lines.data() : out + bytes * y;
        horizontal_rows(y, n, transposed.data(), to);
        line = to;
      }
      if (!vertical) {
        if (!horizontal) std::memcpy(out + bytes * y, line, bytes * n);
        continue;
      }
      for (int i = y; i < y + n; i++, line += bytes) {
        for (int o = active; o < end && rows.first[o] <= i; o++) {
          const int tap = i - rows.first[o];
          if (tap < rows.count[o]) kernels.accumulate(sums.data() + bytes * (o - begin), line, rows.of(o)[tap], bytes);
        }
        for (; active < end && rows.first[active] + rows.count[active] <= i + 1; active++)
          kernels.finish(sums.data() + bytes * (active - begin), bytes, out + bytes * active);
      }
    }
  }
};

void resize_into(View source, int width, int height, int threads, uint8_t* out) {
  Plan plan{.source = source,
            .width = width,
            .height = height,
            .horizontal = width != source.width,
            .vertical = height != source.height,
            .columns = {},
            .rows = {},
            .kernels = kernels(),
            .out = out};
  if (plan.horizontal) plan.columns = bicubic(source.width, width);
  if (plan.vertical) plan.rows = bicubic(source.height, height);
  // A band costs its share of the picture plus the source rows that it shares with its neighbours: bands have at least 16
  // rows, a thread at least half a million operations, and all scratch together at most 256 MiB.
  const int64_t work = static_cast<int64_t>(source.width) * source.height +
                       int64_t{4} * width * (height + static_cast<int64_t>(source.height));
  const int64_t scratch = int64_t{3} * lane_count * (static_cast<int64_t>(source.width) + width);
  const int64_t max_bands = std::min({work / 500'000, int64_t{height} / 16, (int64_t{256} << 20) / scratch});
  const int bands = static_cast<int>(std::clamp<int64_t>(max_bands, 1, thread_count(threads)));
  ThreadPool(bands).parallel_for(bands, [&](int64_t i, int) {
    plan.band(static_cast<int>(height * i / bands), static_cast<int>(height * (i + 1) / bands));
  });
}

}  // namespace

std::vector<uint8_t> resize(View source, int width, int height, int threads) {
  check("a picture", source.width, source.height);
  check("a resized picture", width, height);
  return or_out_of_memory([&] {
    std::vector<uint8_t> out(int64_t{3} * width * height);
    resize_into(source, width, height, threads, out.data());
    return out;
  });
}

std::vector<uint8_t> cut(View source, int s, int rows, int cols, int threads) {
  check("a picture", source.width, source.height);
  check("a crop", s, s);
  if (rows < 0 || cols < 0 || (rows == 0) != (cols == 0) || rows > max_side / s || cols > max_side / s)
    throw Error(ErrorCode::invalid_argument,
                "a grid of " + std::to_string(rows) + " x " + std::to_string(cols) + " can't be cut");
  if (rows) check("a cut picture", cols * s, rows * s);
  return or_out_of_memory([&] {
    const int64_t line = int64_t{3} * s, crop = line * s;
    std::vector<uint8_t> out(crop * (static_cast<int64_t>(rows) * cols + 1));
    if (rows) {
      std::vector<uint8_t> whole(crop * rows * cols);
      resize_into(source, cols * s, rows * s, threads, whole.data());
      const uint8_t* from = whole.data();
      for (int r = 0; r < rows; r++)
        for (int y = 0; y < s; y++)
          for (int c = 0; c < cols; c++, from += line)
            std::memcpy(out.data() + crop * (static_cast<int64_t>(r) * cols + c) + line * y, from, line);
    }
    resize_into(source, s, s, threads, out.data() + crop * rows * cols);
    return out;
  });
}

}  // namespace owl3::image
