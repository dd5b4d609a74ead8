// Formats against Python gguf (unpacking, bit for bit) and against the errors of other quantisers (packing).
#include "gguf/quant.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "gguf/gguf.h"
#include "support/fixtures.h"
#include "support/forced_isa.h"
#include "support/harness.h"

using namespace owl3;

namespace {

std::vector<DType> quantised_types() {
  std::vector<DType> types;
  for (const gguf::Format& f : gguf::formats())
    if (gguf::quantised(f.type)) types.push_back(f.type);
  return types;
}

TEST("quant: the list of formats is complete and its numbers are GGML's") {
  CHECK_EQ(gguf::formats().size(), 9u);
  CHECK_EQ(quantised_types().size(), 6u);
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) CHECK(!gguf::quantised(type));
  CHECK(gguf::find_format(30u) == &gguf::format(DType::bf16));
  CHECK(gguf::find_format(14u) == gguf::find_format(std::string_view("Q6_K")));
  CHECK(gguf::find_format(3u) == nullptr);  // Q4_1
  CHECK(gguf::find_format("Q4_1") == nullptr);
  CHECK_THROWS(gguf::format(static_cast<DType>(3)), ErrorCode::internal);
}

TEST("quant: dequantises bit for bit as Python gguf") {
  const auto f = gguf::File::open(test::fixture("gguf/python.gguf"));
  for (const gguf::Format& format : gguf::formats()) {
    const std::string name = format.name;
    const gguf::Tensor* packed = f->find("packed." + name);
    const gguf::Tensor* values = f->find("values." + name);
    CHECK(packed && values && packed->shape == values->shape);
    CHECK(packed->type == format.type);
    CHECK(gguf::find_format(std::string_view(name)) == &gguf::format(packed->type));
    std::vector<float> got(static_cast<size_t>(packed->rows() * packed->cols()));
    gguf::dequantize_row(packed->type, f->data(*packed), got.data(), static_cast<int64_t>(got.size()));
    const auto* want = static_cast<const char*>(f->data(*values));
    for (size_t i = 0; i < got.size(); i++)
      if (std::memcmp(&got[i], want + 4 * i, 4) != 0)
        test::fail(__FILE__, __LINE__, name + " value " + std::to_string(i) + " differs");
  }
}

TEST("quant: half conversions are exact and round to nearest even") {
  for (uint32_t h = 0; h < 0x10000; h++) {
    const float f = gguf::f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      CHECK(std::isnan(gguf::f16_to_f32(gguf::f32_to_f16(f))));
      CHECK(std::isnan(gguf::bf16_to_f32(gguf::f32_to_bf16(f))));
      continue;
    }
    const uint32_t exponent = (h >> 10) & 31, mantissa = h & 1023;
    const double magnitude = exponent == 31  ? std::numeric_limits<double>::infinity()
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(mantissa + 1024, static_cast<int>(exponent) - 25);
    CHECK_EQ(double{f}, h & 0x8000 ? -magnitude : magnitude);
    CHECK_EQ(gguf::f32_to_f16(f), h);
    if (exponent == 31 || h == 0x8000) continue;
    // Half way to the next magnitude goes to the even one, a little more or less to the nearer one.
    const double next =
        exponent == 30 && mantissa == 1023 ? 65536.0 : std::abs(double{gguf::f16_to_f32(static_cast<uint16_t>(h + 1))});
    const float middle = static_cast<float>(std::copysign((magnitude + next) / 2, f));
    CHECK_EQ(gguf::f32_to_f16(middle), (h & 1) ? h + 1 : h);
    CHECK_EQ(gguf::f32_to_f16(std::nextafterf(middle, 0)), h);
    CHECK_EQ(gguf::f32_to_f16(std::nextafterf(middle, 2 * middle)), h + 1);
  }
  CHECK_EQ(gguf::f32_to_bf16(1.00390625f), 0x3f80);  // a tie, down to even
  CHECK_EQ(gguf::f32_to_bf16(1.01171875f), 0x3f82);  // a tie, up to even
  CHECK_EQ(gguf::f32_to_bf16(3.4e38f), 0x7f80);
}

/// Sums of four uniform values, near enough to normal, from a generator that Python can repeat.
std::vector<float> weights(size_t n) {
  std::vector<float> x(n);
  uint32_t state = 12345;
  for (float& v : x) {
    int32_t sum = 0;
    for (int i = 0; i < 4; i++) {
      state = state * 1664525u + 1013904223u;
      sum += static_cast<int32_t>(state >> 16) - 32768;
    }
    v = static_cast<float>(sum) * 0x1p-20f;
  }
  return x;
}

double relative_rmse(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0, power = 0;
  for (size_t i = 0; i < x.size(); i++) {
    error += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    power += double{x[i]} * x[i];
  }
  return std::sqrt(error / power);
}

std::vector<float> round_trip(DType type, const std::vector<float>& x) {
  std::vector<char> packed(gguf::row_bytes(type, static_cast<int64_t>(x.size())));
  std::vector<float> y(x.size());
  gguf::quantize_row(type, x.data(), packed.data(), static_cast<int64_t>(x.size()));
  gguf::dequantize_row(type, packed.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

TEST("quant: copies for every instruction set give the same bytes, for any number of blocks") {
  const std::vector<float> x = weights(256 * 19);
  for (const gguf::Format& f : gguf::formats())
    for (const int64_t blocks : {1, 2, 7, 8, 9, 19}) {
      std::vector<char> plain(static_cast<size_t>(blocks) * f.block_bytes), fast(plain.size());
      gguf::quantize_row(f.type, x.data(), plain.data(), blocks * f.block_size, Isa::scalar);
      for (const Isa isa : all_isas) {
        if (!isa_available(isa)) continue;
        gguf::quantize_row(f.type, x.data(), fast.data(), blocks * f.block_size, isa);
        CHECK(plain == fast);
      }
    }
}

TEST("quant: the search obeys OWL3_ISA") {
  {
    const test::ForcedIsa forced("scalar");
    CHECK(gguf::quantize_isa(choose_isa()) == Isa::scalar);
  }
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::amx}) {
    if (!isa_available(isa)) continue;
    const test::ForcedIsa forced(isa_name(isa));
    CHECK(gguf::quantize_isa(choose_isa()) == Isa::avx2);
  }
}

TEST("quant: extreme blocks stay finite and are reproduced as well as the format can") {
  for (const DType type : quantised_types()) {
    const auto check = [&](const char* what, double tolerance, auto value) {
      std::vector<float> x(512);
      float max_abs = 0;
      for (size_t i = 0; i < x.size(); i++) {
        x[i] = value(i);
        max_abs = std::max(max_abs, std::abs(x[i]));
      }
      const std::vector<float> y = round_trip(type, x);
      for (size_t i = 0; i < x.size(); i++)
        if (!(std::abs(x[i] - y[i]) <= tolerance * max_abs))
          test::fail(__FILE__, __LINE__,
                     std::string(gguf::format(type).name) + ", " + what + ": " + std::to_string(x[i]) + " became " +
                         std::to_string(y[i]));
    };
    check("zeros", 0, [](size_t) { return 0.0f; });
    check("equal", 0.01, [](size_t) { return 3.0f; });
    check("equal, negative", 0.01, [](size_t) { return -3.0f; });
    check("one value", 0.01, [](size_t i) { return i == 100 ? -1.0f : 0.0f; });
    check("two signs", 0.2, [](size_t i) { return i % 2 ? 1.0f : -1.0f; });
    check("all positive", 0.2, [](size_t i) { return 1.0f + 0.01f * static_cast<float>(i % 32); });
    check("tiny", 1, [](size_t i) { return i % 2 ? 1e-38f : -1e-40f; });
    check("halves that vanish", 1, [](size_t i) { return static_cast<float>(i) * 1e-9f; });
    check("huge", 1, [](size_t i) { return i % 3 ? 3e38f : -3e38f; });
    check("groups of different sizes", 0.2,
          [](size_t i) { return std::ldexp(static_cast<float>(i % 32) - 16, static_cast<int>(i / 32)); });
  }
}

TEST("quant: NaN and infinity are refused where a block would hide them") {
  std::vector<float> x(256, 1.0f);
  std::vector<char> packed(2048);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    x[77] = bad;
    for (const DType type : quantised_types())
      CHECK_THROWS(gguf::quantize_row(type, x.data(), packed.data(), 256), ErrorCode::bad_model);
    gguf::quantize_row(DType::f16, x.data(), packed.data(), 256);
  }
  CHECK_THROWS(gguf::quantize_row(DType::q4_k, x.data(), packed.data(), 32), ErrorCode::bad_model);
  CHECK_THROWS(gguf::dequantize_row(DType::q8_0, packed.data(), x.data(), 31), ErrorCode::bad_model);
  CHECK_THROWS(gguf::row_bytes(DType::q8_0, -32), ErrorCode::bad_model);
}

TEST("quant: errors are at most those of Python gguf and llama.cpp") {
  // The smaller of the two (Python gguf 0.19 packs no K-quants), each run once on the same 65,536 weights, rows of 256.
  struct Case {
    const char* distribution;
    DType type;
    double rmse;  // relative to the root mean square of the weights
  };
  static constexpr Case cases[] = {
      {"normal", DType::q8_0, 0.00505171}, {"normal", DType::q4_0, 0.08161578}, {"normal", DType::q5_0, 0.04068410},
      {"normal", DType::q4_k, 0.06863261}, {"normal", DType::q5_k, 0.03488180}, {"normal", DType::q6_k, 0.01697949},
      {"heavy", DType::q8_0, 0.00811692},  {"heavy", DType::q4_0, 0.10858654},  {"heavy", DType::q5_0, 0.05784373},
      {"heavy", DType::q4_k, 0.08995927},  {"heavy", DType::q5_k, 0.04926132},  {"heavy", DType::q6_k, 0.02361862},
      {"skewed", DType::q8_0, 0.00447565}, {"skewed", DType::q4_0, 0.07129175}, {"skewed", DType::q5_0, 0.03558870},
      {"skewed", DType::q4_k, 0.04013444}, {"skewed", DType::q5_k, 0.02018096}, {"skewed", DType::q6_k, 0.01504225},
  };
  for (const DType type : quantised_types())
    CHECK_EQ(std::count_if(std::begin(cases), std::end(cases), [&](const Case& c) { return c.type == type; }), 3);
  const std::vector<float> normal = weights(65536);
  for (const Case& c : cases) {
    std::vector<float> x = normal;
    for (float& v : x)
      if (c.distribution[0] == 'h')
        v = v * v * v * 64;
      else if (c.distribution[0] == 's')
        v += 0.05f;
    const double got = relative_rmse(x, round_trip(c.type, x));
    if (!(got <= c.rmse))
      test::fail(__FILE__, __LINE__,
                 std::string(gguf::format(c.type).name) + ", " + c.distribution + ": " + std::to_string(got) + " > " +
                     std::to_string(c.rmse));
  }
}

}  // namespace
