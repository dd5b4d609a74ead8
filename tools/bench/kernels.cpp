// Rates of the matrix products at real shapes, each as a share of what this machine can do (measured in the same run).
//   bench_kernels [threads] [repeats] [many|one|attention] [fast]        OWL3_ISA chooses the instruction set
// With one thread, processor time is taken instead of the clock's: other programs disturb it less.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

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
  const uint64_t stride = row_bytes(type, cols);
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(static_cast<size_t>(cols));
  for (float& v : values) v = normal(rng);
  std::vector<char> bytes(static_cast<size_t>(rows) * stride);
  quantize_row(type, values.data(), bytes.data(), cols);
  for (int64_t r = 1; r < rows; r++)
    std::copy_n(bytes.data(), stride, bytes.data() + static_cast<uint64_t>(r) * stride);
  return bytes;
}

double best_seconds(bool processor, int repeats, double least_total, auto&& run) {
  double best = 1e30, total = 0;
  run();
  for (int i = 0; i < repeats || total < least_total; i++) {
    const double start = now(processor);
    run();
    const double s = now(processor) - start;
    best = std::min(best, s);
    total += s;
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0, repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  const std::string only = argc > 3 ? argv[3] : "";
  const bool fast = argc > 4 && std::string(argv[4]) == "fast";
  const auto backend =
      make_cpu_backend({.threads = threads, .precision = fast ? Precision::fast : Precision::automatic});
  const MachinePeaks limits = measure_peaks(backend->threads());
  const double read = measure_bandwidth(backend->threads(), 1.0);
  std::printf("%s, %d threads; int8 %.0f GOP/s, bf16 %.0f, fp32 %.0f GFLOP/s, read %.1f GB/s\n",
              backend->name().c_str(), backend->threads(), limits.int8, limits.bf16, limits.fp32, read);

  const auto product = [&](DType type, int64_t rows, int64_t k, int64_t n) {
    const auto bytes = random_rows(type, n, k);
    const auto m = backend->load_matrix({type, n, k, bytes.data(), rows == 729 ? MatrixUse::bulk : MatrixUse::stream});
    std::vector<float> x(static_cast<size_t>(rows * k), 0.5f), y(static_cast<size_t>(rows * n));
    const LinearOutput out{.w = m.get(), .y = y.data(), .ldy = n};
    const double s = best_seconds(backend->threads() == 1, repeats, 0.05, [&] {
      backend->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = {&out, 1}});
    });
    const double gops = 2e-9 * static_cast<double>(rows * k * n) / s, gbs = 1e-9 * static_cast<double>(m->bytes) / s;
    const bool quantised = format(type).block_size > 1;
    if (rows > 8) {
      // Without AMX, float weights are multiplied as float32.
      const bool halves = limits.bf16 > 0 && (fast || backend->name().find("amx") != std::string::npos);
      const double peak = quantised ? limits.int8 : halves ? limits.bf16 : limits.fp32;
      std::printf("%4s %5ld x %5ld x %6ld  %8.3f ms  %7.0f GOP/s  %3.0f %% of %s\n", format(type).name,
                  static_cast<long>(rows), static_cast<long>(k), static_cast<long>(n), s * 1e3, gops, 100 * gops / peak,
                  quantised ? "int8"
                  : halves  ? "bf16"
                            : "fp32");
    } else {
      std::printf("%4s %5ld x %5ld x %6ld  %8.3f ms  %7.1f GB/s   %3.0f %% of read\n", format(type).name,
                  static_cast<long>(rows), static_cast<long>(k), static_cast<long>(n), s * 1e3, gbs, 100 * gbs / read);
    }
    std::fflush(stdout);
  };
  // Vision attention, one crop and layer: 16 heads of 72, 729 tokens. Scores and weighted values: 4 n^2 d a head.
  for (const bool exact : {false, true}) {
    if (!only.empty() && only != "attention") break;
    constexpr int64_t tokens = 729, heads = 16, head_dim = 72, width = heads * head_dim;
    std::mt19937 rng(2);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> qkv(static_cast<size_t>(tokens * 3 * width)), y(static_cast<size_t>(tokens * width));
    for (float& v : qkv) v = normal(rng);
    VisionAttentionParams p;
    p.q = qkv.data();
    p.k = p.q + width;
    p.v = p.k + width;
    p.ld = 3 * width;
    p.out = y.data();
    p.crops = 1;
    p.tokens = tokens;
    p.heads = heads;
    p.head_dim = head_dim;
    p.exact = exact;
    const double s = best_seconds(backend->threads() == 1, repeats, 0.05, [&] { backend->vision_attention(p); });
    const bool halves = (!exact || fast) && limits.bf16 > 0;
    const double gflops = 4e-9 * tokens * tokens * width / s, peak = halves ? limits.bf16 : limits.fp32;
    std::printf("vision attention, %s  %8.3f ms a layer  %7.0f GFLOP/s  %3.0f %% of %s\n",
                exact && !fast ? "float   " : "bfloat16", s * 1e3, gflops, 100 * gflops / peak,
                halves ? "bf16" : "fp32");
  }
  for (const DType type : {DType::q8_0, DType::q4_k, DType::bf16, DType::f16, DType::f32}) {
    if (only == "one" || only == "attention") break;
    if (type != DType::q4_k) {
      product(type, 729, 1152, 1152);
      product(type, 729, 1152, 4320);
      product(type, 729, 4320, 1152);
    }
    product(type, 512, 1536, 8960);
    product(type, 74, 1536, 8960);
  }
  // Weights beyond what a cache keeps from one run to the next.
  const auto outputs = [](DType type, int64_t k) {
    return static_cast<int64_t>(300e6 / static_cast<double>(row_bytes(type, k)));
  };
  for (const DType type :
       {DType::q8_0, DType::q4_0, DType::q5_0, DType::q4_k, DType::q5_k, DType::q6_k, DType::f16, DType::bf16}) {
    if (only == "many" || only == "attention") break;
    product(type, 1, 1536, outputs(type, 1536));
    product(type, 1, 8960, outputs(type, 8960));
    if (type == DType::q8_0 || type == DType::q6_k) product(type, 1, 1536, 151651);
    if (type == DType::q8_0 || type == DType::q4_k) product(type, 4, 1536, outputs(type, 1536));
  }
}
