// How GEMV reads packed records: prefetching, scales and minima.
#pragma once
#include "cpu/gemm/formats.h"
#include "cpu/gemm/kernels.h"
#include "cpu/simd/simd.h"

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

/// The factors of a record's blocks, where all of them share one.
struct RecordFactors {
  Lanes d, dmin;
};
template <DType T>
inline RecordFactors record_factors(const uint8_t* record) {
  constexpr Layout l = Record<T>::layout();
  RecordFactors f;
  if constexpr (l.step == 256) f.d = load_f16(reinterpret_cast<const uint16_t*>(record));
  if constexpr (l.mins) f.dmin = load_f16(reinterpret_cast<const uint16_t*>(record + l.dmin_at));
  return f;
}

/// The scales of block i of a record, one for each of its groups of columns.
template <DType T, int Groups>
inline void block_scales(const uint8_t* record, int i, const RecordFactors& f, Lanes (&scale)[Groups]) {
  constexpr Layout l = Record<T>::layout();
  static_assert(Groups == 32 / l.group);
  if constexpr (l.step == 64) {
    scale[0] = load_f16(reinterpret_cast<const uint16_t*>(record + 32 * i));
  } else {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; ++g)
      scale[g] = f.d * load_i8(reinterpret_cast<const int8_t*>(record + l.scale_at + 16 * (Groups * i + g)));
  }
}

/// The minimum of block i of a record, for formats that have minima.
template <DType T>
inline Lanes block_min(const uint8_t* record, int i, const RecordFactors& f) {
  constexpr Layout l = Record<T>::layout();
  return f.dmin * load_i8(reinterpret_cast<const int8_t*>(record + l.min_at + 16 * i));
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
