// Prefetching of packed records by GEMV.
#pragma once
#include "cpu/gemm/formats.h"
#include "cpu/gemm/kernels.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

/// Prefetches some KiB ahead. The processor does that itself, except across pages of 4 KiB; it loses the track where a
/// record is read in several places at once, and where much is computed between two reads (measured on Zen 4: Q6_K goes
/// from 24 to 51 GB/s, four rows of Q4_K from 30 to 34; there, fetching every line elsewhere costs more than it brings. A
/// Xeon with AMX profits everywhere: one row of Q4_K goes from 19 to 25 GB/s; so does Zen 3, Q4_0 from half of the
/// bandwidth to nine tenths).
template <DType T, int R, Fetch F, int64_t Bytes>
inline void fetch(const uint8_t* p) {
  constexpr bool scattered = Record<T>::layout().high_bits > 0;
  constexpr bool lines = F == Fetch::lines || scattered || R > 1;
#pragma GCC unroll 10
  for (int64_t i = 0; i < Bytes; i += lines ? 64 : 512) __builtin_prefetch(p + (lines ? 8192 : 4096) + i, 0, 2);
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
