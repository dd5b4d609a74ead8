// AVX-VNNI's kernels where the machine has only AVX2: built with a vpdpbusd that is put together from AVX2, everything
// else as it ships. Sums of integers are exact, so the stand-in changes no bit.
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/gemm/kernels.h"
#include "cpu/gemm/pack.h"
#include "cpu/workspace.h"
#include "support/harness.h"
#include "support/int8_rows.h"
#include "support/weights.h"

using namespace owl3;
using namespace owl3::test;

#ifdef __x86_64__
namespace owl3::cpu::vnni_from_avx2 {
extern const gemm::Product<gemm::Int8Rows> gemm_int8;
extern const gemm::ByFetch<gemm::Int8Rows> gemv_int8;
}  // namespace owl3::cpu::vnni_from_avx2

TEST("cpu: products of AVX-VNNI with a stand-in for its instruction, few rows and many, every quantised format") {
  if (!isa_available(Isa::avx2)) return;
  using namespace cpu::vnni_from_avx2;
  using cpu::gemm::sums_stride;
  ThreadPool pool(1);
  const auto memory = cpu::aligned_memory(cpu::gemm::scratch_bytes);
  for (const DType type : all_types()) {
    if (gguf::format(type).block_size == 1) continue;
    constexpr int64_t k = 768, rows = 17, panels = 2;
    const Weights weights(type, 16 * panels, k, 3);
    const auto w = cpu::gemm::pack_matrix(weights.host(), true, pool);
    auto x = normal_values(rows * k, 4);
    x[5] = 1000;
    std::fill_n(x.begin() + k, k, -127.0f);  // the largest sums
    Int8Memory memory_of_rows(rows, k);
    const auto& [in, q, scale] = std::tie(memory_of_rows.rows, memory_of_rows.q, memory_of_rows.scale);
    for (int64_t r = 0; r < rows; r++) gemm_int8.convert(x.data() + r * k, k, in, r);
    std::vector<float> all(static_cast<size_t>(panels * sums_stride(rows)));
    gemm_int8.multiply(w->packed, 0, panels, in, 0, rows, all.data(), memory.get());
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t j = 0; j < 16 * panels; j++) {
        double expected = 0, size = 0;
        for (int64_t i = 0; i < k; i++) {
          const size_t at = static_cast<size_t>(r * k + i);
          const double product = static_cast<double>(scale[at / 32]) * q[at] *
                                 static_cast<double>(weights.values[static_cast<size_t>(j * k + i)]);
          expected += product;
          size += std::abs(product);
        }
        CHECK_NEAR(all[static_cast<size_t>(j / 16 * sums_stride(rows) + 16 * r + j % 16)], expected, 2e-6 * size);
      }
    }
    for (const auto& gemv : {gemv_int8.pages, gemv_int8.lines}) {
      for (int64_t n = 1; n <= 9; n++) {
        std::vector<float> some(static_cast<size_t>(panels * sums_stride(n)));
        gemv(w->packed, 0, panels, in, 3, n, some.data(), memory.get());
        for (int64_t p = 0; p < panels; p++)
          CHECK(std::memcmp(&some[static_cast<size_t>(p * sums_stride(n))],
                            &all[static_cast<size_t>(p * sums_stride(rows) + 16 * 3)],
                            static_cast<size_t>(16 * n) * sizeof(float)) == 0);
      }
    }
  }
}
#endif
