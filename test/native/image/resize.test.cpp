#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "image/coefficients.h"
#include "image/image.h"
#include "image/kernels.h"
#include "support/forced_isa.h"
#include "support/harness.h"

using namespace owl3;

static std::vector<uint8_t> noise(int64_t n, uint32_t seed) {
  std::vector<uint8_t> out(n);
  for (uint8_t& b : out) {
    seed = seed * 1664525u + 1013904223u;
    b = (seed >> 24) < 40 ? 0 : (seed >> 24) > 215 ? 255 : static_cast<uint8_t>(seed >> 16);
  }
  return out;
}

TEST("image: the fastest kernels give what the base ones give") {
  const image::Kernels &fast = image::kernels(), &base = image::kernels(Isa::scalar);
  constexpr int L = image::Kernels::lane_count;
  for (int64_t bytes : {3, 15, 16, 48, 51, 300}) {
    for (int n : {1, 7, L}) {
      const auto rows = noise(n * (bytes + 5), 7);
      std::vector<uint8_t> a(bytes * L), b(bytes * L);
      fast.transpose(rows.data(), bytes + 5, n, bytes, a.data());
      base.transpose(rows.data(), bytes + 5, n, bytes, b.data());
      for (int64_t i = 0; i < bytes; i++)
        for (int r = 0; r < n; r++) {
          CHECK_EQ(int{a[i * L + r]}, int{rows[r * (bytes + 5) + i]});
          CHECK_EQ(int{b[i * L + r]}, int{rows[r * (bytes + 5) + i]});
        }
    }
    const auto row = noise(bytes, 9);
    std::vector<int32_t> x(bytes, 1 << 21), y(bytes, 1 << 21);
    for (int32_t w : {5'000'000, -900'000, 3}) {
      fast.accumulate(x.data(), row.data(), w, bytes);
      base.accumulate(y.data(), row.data(), w, bytes);
    }
    CHECK(x == y);
    std::vector<uint8_t> p(bytes), q(bytes);
    fast.finish(x.data(), bytes, p.data());
    base.finish(y.data(), bytes, q.data());
    CHECK(p == q);
  }
  for (int count : {1, 4, 23}) {
    const auto from = noise(int64_t{3} * L * count, 11);
    std::vector<int32_t> weight(count);
    for (int i = 0; i < count; i++) weight[i] = (i % 3 - 1) * 3'000'000 / count + 1'500'000;
    std::vector<uint8_t> a(L * 9), b(L * 9);
    fast.column(from.data(), weight.data(), count, L, 9, a.data());
    base.column(from.data(), weight.data(), count, L, 9, b.data());
    CHECK(a == b);
  }
}

TEST("image: the kernels obey OWL3_ISA") {
  {
    const test::ForcedIsa forced("scalar");
    CHECK(&image::kernels(choose_isa()) == &image::kernels(Isa::scalar));
  }
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::amx}) {
    if (!isa_available(isa)) continue;
    const test::ForcedIsa forced(isa_name(isa));
    CHECK(&image::kernels(choose_isa()) != &image::kernels(Isa::scalar));
  }
}

TEST("image: a resize does not depend on the number of threads") {
  const int w = 1500, h = 1100;
  const auto rgb = noise(int64_t{3} * w * h, 3);
  const auto one = image::resize({rgb.data(), w, h}, 300, 450, 1);
  for (int threads : {2, 3, 16}) CHECK(image::resize({rgb.data(), w, h}, 300, 450, threads) == one);
  CHECK(image::cut({rgb.data(), w, h}, 42, 3, 2, 5) == image::cut({rgb.data(), w, h}, 42, 3, 2, 1));
}

// The last sums before rounding must fit 32 bits for any pixels: the worst are 255 under positive and 0 under negative
// weights.
TEST("image: sums of every kernel fit 32 bits and weights add up to one") {
  for (int in : {1, 2, 3, 5, 16, 100, 379, 4000})
    for (int out : {1, 2, 3, 7, 126, 378, 1134, 4001}) {
      const image::Coefficients c = image::bicubic(in, out);
      for (int o = 0; o < out; o++) {
        CHECK(c.first[o] >= 0 && c.count[o] >= 1 && c.first[o] + c.count[o] <= in && c.count[o] <= c.stride);
        int64_t sum = 0, high = 1 << 21, low = 1 << 21;
        for (int i = 0; i < c.count[o]; i++) {
          const int64_t k = c.of(o)[i];
          sum += k;
          (k > 0 ? high : low) += 255 * k;
        }
        CHECK(std::abs(sum - (1 << image::precision_bits)) <= c.count[o]);
        CHECK(high <= INT32_MAX && low >= INT32_MIN);
      }
    }
}

TEST("image: a plain picture stays plain at extreme sizes, and one pixel becomes any size") {
  const std::vector<uint8_t> tall(int64_t{3} * 200'000, 77);
  for (uint8_t b : image::resize({tall.data(), 1, 200'000}, 5, 4)) CHECK_EQ(int{b}, 77);
  for (uint8_t b : image::resize({tall.data(), 200'000, 1}, 5, 4)) CHECK_EQ(int{b}, 77);
  const uint8_t pixel[3] = {1, 2, 255};
  const auto out = image::resize({pixel, 1, 1}, 33, 57);
  for (size_t i = 0; i < out.size(); i++) CHECK_EQ(int{out[i]}, int{pixel[i % 3]});
}

TEST("image: impossible sizes are errors") {
  const uint8_t pixel[3] = {1, 2, 3};
  CHECK_THROWS(image::resize({pixel, 0, 1}, 1, 1), ErrorCode::invalid_argument);
  CHECK_THROWS(image::resize({pixel, 1, 1}, 1, -1), ErrorCode::invalid_argument);
  CHECK_THROWS(image::resize({pixel, 1, 1}, image::max_side, image::max_side), ErrorCode::invalid_argument);
  CHECK_THROWS(image::cut({pixel, 1, 1}, 100, image::max_side, 1), ErrorCode::invalid_argument);
  CHECK_THROWS(image::cut({pixel, 1, 1}, 100, 1, 0), ErrorCode::invalid_argument);
}
