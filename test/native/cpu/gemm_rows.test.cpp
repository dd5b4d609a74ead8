// A row's products have the same bits alone and among others: on every instruction set, for every format, whatever kernel
// (GEMV or GEMM), block of rows or thread computes them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/dispatch.h"
#include "cpu/gemm/pack.h"
#include "support/harness.h"
#include "support/int8_rows.h"
#include "support/weights.h"

using namespace owl3;
using namespace owl3::test;

TEST("cpu: products of few rows have the same bits whatever is fetched ahead") {
  ThreadPool pool(1);
  constexpr int64_t k = 768, rows = 5;
  const auto x = normal_values(rows * k, 8);
  Int8Memory memory(rows, k);
  const cpu::gemm::Int8Rows& int8 = memory.rows;
  std::vector<int16_t> q16(rows * k);
  std::vector<float> scale16(rows * k / 256);
  const cpu::gemm::PairRows pairs{.q = q16.data(), .scale = scale16.data(), .padded = k};
  std::vector<char> scratch(cpu::gemm::scratch_bytes);
  for (const Isa isa : machine_isas()) {
    const cpu::gemm::Kernels pages = cpu::kernels_of(isa, cpu::gemm::Fetch::pages).gemm;
    const cpu::gemm::Kernels lines = cpu::kernels_of(isa, cpu::gemm::Fetch::lines).gemm;
    const cpu::gemm::Gemv chosen = cpu::kernels_of(isa).gemm.gemv;
    CHECK_EQ(pages.gemv.int8 != nullptr, isa != Isa::scalar);
    CHECK_EQ(pages.gemv.pairs != nullptr, isa == Isa::avx2);
    const auto pick = [&](auto kernel) {
      CHECK(pages.gemv.*kernel != lines.gemv.*kernel);
      CHECK(chosen.*kernel == pages.gemv.*kernel || chosen.*kernel == lines.gemv.*kernel);
    };
    if (pages.gemv.int8) pick(&cpu::gemm::Gemv::int8);
    if (pages.gemv.pairs) pick(&cpu::gemm::Gemv::pairs);
    for (int64_t r = 0; r < rows; r++) {
      if (pages.gemv.int8) pages.int8.convert(x.data() + r * k, k, int8, r);
      if (pages.gemv.pairs) pages.pairs.convert(x.data() + r * k, k, pairs, r);
    }
    if (!pages.gemv.int8) continue;
    for (const DType type : all_types()) {
      if (gguf::format(type).block_size == 1) continue;
      const auto w = cpu::gemm::pack_matrix(Weights(type, 48, k, 9).host(), pages.unsigned_q8, pool);
      for (const int64_t n : {int64_t{1}, rows}) {
        const auto sums = [&](const cpu::gemm::Kernels& kernels) {
          std::vector<float> acc(static_cast<size_t>(3 * cpu::gemm::sums_stride(n)));
          if (kernels.gemv.pairs && type == DType::q8_0)
            kernels.gemv.pairs(w->packed, 0, 3, pairs, 0, n, acc.data(), scratch.data());
          else
            kernels.gemv.int8(w->packed, 0, 3, int8, 0, n, acc.data(), scratch.data());
          return acc;
        };
        CHECK(sums(pages) == sums(lines));
      }
    }
  }
}

TEST("cpu: a row's products have the same bits alone, among others and on any number of threads") {
  for (const Isa isa : machine_isas()) {
    for (const DType type : all_types()) {
      const Weights w(type, 150, 768, 4);
      const int64_t rows = 150;
      auto x = normal_values(rows * 768, 5);
      for (size_t i = 100; i < x.size(); i += 768 + i % 5) x[i] *= 100;  // blocks that stand out, some in common
      std::vector<float> all(static_cast<size_t>(rows * w.n)), one(static_cast<size_t>(w.n));
      for (const ops::MatrixUse use : {ops::MatrixUse::stream, ops::MatrixUse::bulk}) {
        for (const ops::Precision precision : {ops::Precision::automatic, ops::Precision::fast}) {
          const auto b = backend_of(isa, precision), c = backend_of(isa, precision, 3);
          const auto m = b->load_matrix(w.host(use));
          ops::LinearOutput out{.w = m.get(), .y = all.data(), .ldy = w.n};
          b->linear({.x = x.data(), .rows = rows, .ldx = 768, .norm = {}, .outputs = {&out, 1}});
          out.y = one.data();
          for (const int64_t r : {0, 7, 127, 128, 149}) {
            c->linear({.x = x.data() + r * 768, .rows = 1, .ldx = 768, .norm = {}, .outputs = {&out, 1}});
            CHECK(std::memcmp(one.data(), all.data() + r * w.n, one.size() * sizeof(float)) == 0);
          }
          std::vector<float> some(static_cast<size_t>(21 * w.n));
          out.y = some.data();
          c->linear({.x = x.data() + 11 * 768, .rows = 21, .ldx = 768, .norm = {}, .outputs = {&out, 1}});
          CHECK(std::memcmp(some.data(), all.data() + 11 * w.n, some.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST("cpu: every number of rows gives a row the same bits, with columns and panels left over") {
  // Columns beyond one run of a tile and no multiple of it, and more panels than a group, the last in part.
  constexpr int64_t max_rows = 40;
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa);
    for (const auto& [type, k] : {std::pair{DType::q8_0, 1120},
                                  {DType::q4_0, 800},
                                  {DType::q5_0, 32},
                                  {DType::q4_k, 1024},
                                  {DType::q6_k, 768}}) {
      const Weights w(type, 150, k, 7);
      const auto m = b->load_matrix(w.host());
      auto x = normal_values(max_rows * k, 8);
      for (size_t i = 7; i < x.size(); i += static_cast<size_t>(k / 2) + i % 3) x[i] *= 100;
      std::vector<float> one(static_cast<size_t>(max_rows * w.n)), some(one.size());
      ops::LinearOutput out{.w = m.get(), .ldy = w.n};
      for (int64_t r = 0; r < max_rows; r++) {
        out.y = one.data() + r * w.n;
        b->linear({.x = x.data() + r * k, .rows = 1, .ldx = k, .norm = {}, .outputs = {&out, 1}});
      }
      out.y = some.data();
      for (int64_t rows = 2; rows <= max_rows; rows++) {
        std::fill(some.begin(), some.end(), NAN);
        b->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = {&out, 1}});
        CHECK(std::memcmp(one.data(), some.data(), static_cast<size_t>(rows * w.n) * sizeof(float)) == 0);
      }
    }
  }
}

TEST("cpu: one to nine rows have the bits they have among many, every format, odd sizes and extremes") {
  for (const Isa isa : machine_isas()) {
    const auto b = backend_of(isa), c = backend_of(isa, ops::Precision::automatic, 3);
    for (const DType type : all_types()) {
      const bool blocks = gguf::format(type).block_size > 1, super = gguf::format(type).block_size == 256;
      // The last is longer than what the kernels for few rows go through at once.
      const int64_t most = type == DType::q6_k ? 60416 : super ? 8448 : 8480;
      for (const int64_t k : {int64_t{super ? 256 : blocks ? 352 : 75}, int64_t{super ? 768 : blocks ? 32 : 2}, most}) {
        const Weights w(type, k > 8000 ? 19 : 117, k, 7);
        const int64_t rows = 17;
        auto x = normal_values(rows * k, 8);
        const auto row = [&](int64_t r) { return x.begin() + r * k; };
        row(0)[k / 2] = 1000;  // one value 1,000 times the rest
        std::fill_n(row(1), k, 0.0f);
        std::transform(row(2), row(3), row(2), [](float v) { return v * 1e-20f; });
        std::transform(row(3), row(4), row(3), [](float v) { return v * 1e6f; });
        std::fill_n(row(4), k, -127.0f);
        std::transform(row(5), row(6), row(5), [](float v) { return v * 1e-27f; });  // some blocks round to zero
        std::transform(row(6), row(7), row(6), [](float v) { return v * 1e25f; });
        std::vector<float> all(static_cast<size_t>(rows * w.n)), some(all.size());
        const auto m = b->load_matrix(w.host());
        ops::LinearOutput out{.w = m.get(), .y = all.data(), .ldy = w.n};
        b->linear({.x = x.data(), .rows = rows, .ldx = k, .norm = {}, .outputs = {&out, 1}});
        out.y = some.data();
        for (int64_t n = 1; n <= 9; n++) {
          for (const int64_t first : {int64_t{0}, rows - n}) {
            std::fill(some.begin(), some.end(), NAN);
            c->linear({.x = x.data() + first * k, .rows = n, .ldx = k, .norm = {}, .outputs = {&out, 1}});
            CHECK(std::memcmp(some.data(), all.data() + first * w.n, static_cast<size_t>(n * w.n) * sizeof(float)) ==
                  0);
          }
        }
      }
    }
  }
}
