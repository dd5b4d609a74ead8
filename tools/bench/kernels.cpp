// Rates of the matrix products at real shapes, each as a share of what this machine can do (measured in the same run).
//   bench_kernels [threads] [repeats] [filter] [fast]        OWL3_ISA chooses the instruction set
// The filter keeps the lines it is part of: "many" or "one" (rows), "vision", "attention", "prefill", "q8_0 ", "74 x ",
// ... With one thread, processor time is taken instead of the clock's: other programs disturb it less.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "cpu/backend.h"
#include "ops/backend.h"
#include "ops/machine.h"

using namespace owl3;

namespace {

double now(bool processor) {
  if (processor) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Random packed rows: finite scales, any quants. One row, repeated, would stay in cache; so all are written.
std::vector<char> random_rows(DType type, int64_t rows, int64_t cols) {
  const uint64_t stride = gguf::row_bytes(type, cols);
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(static_cast<size_t>(cols));
  for (float& v : values) v = normal(rng);
  std::vector<char> bytes(static_cast<size_t>(rows) * stride);
  gguf::quantize_row(type, values.data(), bytes.data(), cols);
  for (int64_t r = 1; r < rows; r++)
    std::copy_n(bytes.data(), stride, bytes.data() + static_cast<uint64_t>(r) * stride);
  return bytes;
}

std::vector<float> normal_values(int64_t n) {
  std::mt19937 rng(2);
  std::normal_distribution<float> normal;
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = normal(rng);
  return v;
}

/// Best of `repeats` and more runs, each of which returns its seconds.
double best_seconds(int repeats, double min_total, auto&& run) {
  double best = 1e30, total = 0;
  run();
  for (int i = 0; i < repeats || total < min_total; i++) {
    const double s = run();
    best = std::min(best, s);
    total += s;
  }
  return best;
}

/// A call of Backend::linear as the model makes it.
struct Call {
  DType type = DType::f32;
  ops::MatrixUse use = ops::MatrixUse::stream;
  int64_t rows = 0, k = 0;
  std::vector<int64_t> n = {};
  bool gated = false, residual = false;
  ops::NormKind norm = ops::NormKind::none;
  ops::Activation activation = ops::Activation::none;
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0, repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  const std::string only = argc > 3 ? argv[3] : "";
  const bool fast = argc > 4 && std::string(argv[4]) == "fast";
  const auto backend =
      cpu::make_backend({.threads = threads, .precision = fast ? ops::Precision::fast : ops::Precision::automatic});
  const ops::MachinePeaks limits = ops::measure_peaks(backend->threads());
  const double read = ops::measure_bandwidth(backend->threads(), 0.5);
  std::printf("%s, %d threads; int8 %.0f GOP/s, bf16 %.0f, fp32 %.0f GFLOP/s, read %.1f GB/s\n",
              backend->name().c_str(), backend->threads(), limits.int8, limits.bf16, limits.fp32, read);

  const auto product = [&](const char* what, const Call& call) {
    std::string outputs;
    for (const int64_t n : call.n) outputs.append(outputs.empty() ? "" : "+").append(std::to_string(n));
    char name[128];
    std::snprintf(name, sizeof name, "%-4s %-7s %-4s %4ld x %5ld x %s%s", call.rows > 8 ? "many" : "one", what,
                  gguf::format(call.type).name, static_cast<long>(call.rows), static_cast<long>(call.k),
                  outputs.c_str(),
                  call.gated                                 ? " gated"
                  : call.activation != ops::Activation::none ? " gelu"
                                                             : "");
    for (char* c = name; *c; c++) *c = static_cast<char>(std::tolower(*c));
    if (std::string(name).find(only) == std::string::npos) return;
    std::vector<std::unique_ptr<ops::Matrix>> matrices;
    std::vector<ops::Backend::Buffer> ys;
    std::vector<ops::LinearOutput> outs;
    const auto values = normal_values(call.rows * call.k);
    const auto floats = [&](int64_t n) { return backend->allocate(static_cast<size_t>(n) * sizeof(float)); };
    const ops::Backend::Buffer x = floats(call.rows * call.k);
    std::copy(values.begin(), values.end(), static_cast<float*>(x.get()));
    double operations = 0, bytes = 0;
    const auto load = [&](int64_t n) {
      const auto rows = random_rows(call.type, n, call.k);
      matrices.push_back(backend->load_matrix({call.type, n, call.k, rows.data(), call.use}));
      operations += 2.0 * static_cast<double>(call.rows * call.k * n);
      bytes += static_cast<double>(matrices.back()->bytes);
      return matrices.back().get();
    };
    for (const int64_t n : call.n) {
      const ops::Matrix* w = load(n);
      ys.push_back(floats(call.rows * n));
      auto* y = static_cast<float*>(ys.back().get());
      std::fill_n(y, call.rows * n, 0.0f);
      outs.push_back({.w = w,
                      .gate = call.gated ? load(n) : nullptr,
                      .activation = call.activation,
                      .residual = call.residual ? y : nullptr,
                      .y = y,
                      .ldy = n});
    }
    const std::vector<float> ones(static_cast<size_t>(call.k), 1.0f);
    const ops::Norm norm{call.norm, ones.data(), call.norm == ops::NormKind::layer ? ones.data() : nullptr, 1e-6f};
    const double s = best_seconds(repeats, 0.05, [&] {
      const double start = now(backend->threads() == 1);
      backend->linear(
          {.x = static_cast<const float*>(x.get()), .rows = call.rows, .ldx = call.k, .norm = norm, .outputs = outs});
      return now(backend->threads() == 1) - start;
    });
    const bool quantised = gguf::format(call.type).block_size > 1;
    if (call.rows > 8) {
      // Float weights take float32 unless the machine has something better.
      const bool halves = fast || backend->name().find("amx") != std::string::npos;
      const double gops = 1e-9 * operations / s, peak = quantised ? limits.int8 : halves ? limits.bf16 : limits.fp32;
      std::printf("%-46s %8.3f ms  %7.0f GOP/s  %3.0f %% of %s\n", name, s * 1e3, gops, 100 * gops / peak,
                  quantised ? "int8"
                  : halves  ? "bf16"
                            : "fp32");
    } else {
      const double gbs = 1e-9 * bytes / s;
      std::printf("%-46s %8.3f ms  %7.1f GB/s   %3.0f %% of read\n", name, s * 1e3, gbs, 100 * gbs / read);
    }
    std::fflush(stdout);
  };

  // Vision attention, one crop and layer: 16 heads of 72, 729 tokens. Scores and weighted values: 4 n^2 d a head.
  for (const bool exact : {false, true}) {
    if (std::string("many vision attention").find(only) == std::string::npos) break;
    constexpr int64_t tokens = 729, heads = 16, head_dim = 72, width = heads * head_dim;
    std::mt19937 rng(2);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> qkv(static_cast<size_t>(tokens * 3 * width)), y(static_cast<size_t>(tokens * width));
    for (float& v : qkv) v = normal(rng);
    ops::VisionAttentionParams p;
    p.q = qkv.data();
    p.k = p.q + width;
    p.v = p.k + width;
    p.ld = 3 * width;
    p.out = y.data();
    p.crops = 1;
    p.tokens = tokens;
    p.heads = heads;
    p.head_dim = head_dim;
    p.accuracy = exact ? ops::Accuracy::float32 : ops::Accuracy::bfloat16;
    const double s = best_seconds(repeats, 0.05, [&] {
      const double start = now(backend->threads() == 1);
      backend->vision_attention(p);
      return now(backend->threads() == 1) - start;
    });
    const double gflops = 4e-9 * tokens * tokens * width / s, peak = exact && !fast ? limits.fp32 : limits.bf16;
    std::printf("vision attention, %s  %8.3f ms a layer  %7.0f GFLOP/s", exact && !fast ? "float   " : "bfloat16",
                s * 1e3, gflops);
    if (peak > 0) std::printf("  %3.0f %% of %s", 100 * gflops / peak, exact && !fast ? "fp32" : "bf16");
    std::printf("\n");
  }
  // The 2B model's vision tower, one crop. Weights of 4,304 outputs are widened to whole blocks of 32.
  for (const DType type : {DType::q8_0, DType::q4_0, DType::bf16, DType::f16}) {
    const Call crop{.type = type, .use = ops::MatrixUse::bulk, .rows = 729, .k = 1152};
    const auto vision = [&](std::vector<int64_t> n, auto&& change) {
      Call call = crop;
      call.n = std::move(n);
      change(call);
      product("vision", call);
    };
    vision({1152, 1152, 1152}, [](Call& c) { c.norm = ops::NormKind::layer; });
    vision({1152}, [](Call& c) { c.residual = true; });
    vision({4320}, [](Call& c) { c.norm = ops::NormKind::layer, c.activation = ops::Activation::gelu_tanh; });
    vision({1152}, [](Call& c) { c.k = 4320, c.residual = true; });
    if (type == DType::bf16 || type == DType::f16) continue;
    vision({1536}, [](Call& c) { c.activation = ops::Activation::gelu_erf; });
    vision({1536}, [](Call& c) { c.k = 1536; });
  }
  // Its language model, pieces of a prompt.
  for (const int64_t rows : {512, 74}) {
    for (const DType type : {DType::q8_0, DType::q4_0, DType::q4_k, DType::q6_k, DType::bf16}) {
      product("prefill", {.type = type, .rows = rows, .k = 1536, .n = {1536, 256, 256}, .norm = ops::NormKind::rms});
      product("prefill", {.type = type, .rows = rows, .k = 1536, .n = {1536}, .residual = true});
      product("prefill",
              {.type = type, .rows = rows, .k = 1536, .n = {8960}, .gated = true, .norm = ops::NormKind::rms});
      product("prefill", {.type = type, .rows = rows, .k = 8960, .n = {1536}, .residual = true});
    }
  }
  // Weights beyond what a cache keeps from one run to the next.
  const auto outputs = [](DType type, int64_t k) {
    return static_cast<int64_t>(300e6 / static_cast<double>(gguf::row_bytes(type, k)));
  };
  for (const DType type :
       {DType::q8_0, DType::q4_0, DType::q5_0, DType::q4_k, DType::q5_k, DType::q6_k, DType::f16, DType::bf16}) {
    product("decode", {.type = type, .rows = 1, .k = 1536, .n = {outputs(type, 1536)}});
    product("decode", {.type = type, .rows = 1, .k = 8960, .n = {outputs(type, 8960)}});
    if (type == DType::q8_0 || type == DType::q6_k)
      product("decode", {.type = type, .rows = 1, .k = 1536, .n = {151651}});
    if (type == DType::q8_0 || type == DType::q4_k)
      product("decode", {.type = type, .rows = 4, .k = 1536, .n = {outputs(type, 1536)}});
  }
}
