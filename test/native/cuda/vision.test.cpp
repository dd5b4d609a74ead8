// The verbs of the vision tower on the simulation against the naive backend.
#include "cuda/verbs/vision.h"

#include "cuda/simulation.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::test;

namespace {

struct Crops {
  int64_t crops, tokens;
  int32_t heads, head_dim;
};

/// Outputs of the simulation and how far they are from the naive backend's.
std::vector<float> attend(Simulation& simulation, const Crops& c, const std::vector<float>& qkv,
                          ops::Precision precision, ops::Accuracy accuracy, double* error) {
  const int64_t width = int64_t{c.heads} * c.head_dim;
  std::vector<float> out(static_cast<size_t>(c.crops * c.tokens * width), NAN), expected = out;
  ops::VisionAttentionParams p{.q = qkv.data(),
                               .k = qkv.data() + width,
                               .v = qkv.data() + 2 * width,
                               .ld = 3 * width,
                               .out = out.data(),
                               .crops = c.crops,
                               .tokens = c.tokens,
                               .heads = c.heads,
                               .head_dim = c.head_dim,
                               .accuracy = accuracy};
  cuda::vision_attention(simulation, p, precision);
  p.out = expected.data();
  if (error != nullptr) {
    NaiveBackend().vision_attention(p);
    for (size_t i = 0; i < out.size(); i++) {
      const double d = std::abs(double(out[i]) - expected[i]);
      if (!(d <= *error)) *error = std::isnan(d) ? 1e30 : d;
    }
  }
  return out;
}

std::vector<float> random_qkv(const Crops& c, uint32_t seed) {
  return normal_values(c.crops * c.tokens * 3 * c.heads * c.head_dim, seed, 2);
}

}  // namespace

TEST("cuda: vision attention agrees with plain loops, for heads of all sizes") {
  for (const Crops& c :
       {Crops{2, 9, 3, 8}, {1, 81, 2, 72}, {1, 70, 1, 16}, {1, 33, 2, 24}, {2, 65, 1, 128}, {1, 10, 1, 5}})
    for (const ops::Precision precision : {ops::Precision::automatic, ops::Precision::exact})
      for (const ops::Accuracy accuracy : {ops::Accuracy::float32, ops::Accuracy::bfloat16}) {
        Simulation simulation;
        double error = 0;
        attend(simulation, c, random_qkv(c, 1), precision, accuracy, &error);
        CHECK(error < (accuracy == ops::Accuracy::float32 || precision == ops::Precision::exact ? 5e-5 : 2e-2));
      }
  Simulation simulation;
  CHECK_THROWS(attend(simulation, {1, 1, 1, 300}, std::vector<float>(900), {}, {}, nullptr), ErrorCode::unsupported);
}

TEST("cuda: vision attention has the same bits for a crop alone and in every schedule") {
  const Crops c{2, 75, 2, 72}, one{1, 75, 2, 72};
  const std::vector<float> qkv = random_qkv(c, 2);
  for (const ops::Accuracy accuracy : {ops::Accuracy::float32, ops::Accuracy::bfloat16}) {
    Simulation simulation;
    const std::vector<float> both = attend(simulation, c, qkv, {}, accuracy, nullptr);
    const std::vector<float> second(qkv.begin() + static_cast<ptrdiff_t>(qkv.size() / 2), qkv.end());
    const std::vector<float> alone = attend(simulation, one, second, {}, accuracy, nullptr);
    CHECK(std::equal(alone.begin(), alone.end(), both.begin() + static_cast<ptrdiff_t>(both.size() / 2)));
    for (const cuda::simt::Options& options : schedules()) {
      simulation.options = options;
      CHECK(attend(simulation, c, qkv, {}, accuracy, nullptr) == both);
    }
  }
}

TEST("cuda: pixels to patches, to the bit, with a rest that no patch covers") {
  std::vector<uint8_t> pixels(2 * 17 * 17 * 3);
  for (size_t i = 0; i < pixels.size(); i++) pixels[i] = static_cast<uint8_t>(i * 37 + i / 51);
  for (const int32_t patch : {3, 4}) {
    const int64_t side = 17 / patch, values = 3 * patch * patch;
    std::vector<float> y(static_cast<size_t>(2 * side * side * values), NAN), expected = y;
    ops::PatchifyParams p{.crops = pixels.data(),
                          .n = 2,
                          .size = 17,
                          .patch = patch,
                          .mean = {0.5f, 0.4f, 0.3f},
                          .std = {0.5f, 0.25f, 0.2f},
                          .y = y.data()};
    Simulation simulation;
    cuda::patchify(simulation, p);
    p.y = expected.data();
    NaiveBackend().patchify(p);
    CHECK(y == expected);
  }
}
