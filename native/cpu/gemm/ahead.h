// Prefetching of the weights that a GEMM call reads next.
#pragma once
#include "cpu/gemm/formats.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

using namespace gemm;

/// Memory that is read soon, prefetched piece by piece while there is other work.
template <int P>
struct Ahead {
  const uint8_t *at, *end;
  int64_t step, panel_bytes;
  void fetch() {
    const uint8_t* to = end - at < step ? end : at + step;
    for (; at < to; at += 64) {
      for (int p = 0; p < P; ++p) __builtin_prefetch(at + p * panel_bytes, 0, 2);
    }
  }
};

/// The memory that is read after columns [k, k + n) of panels panel + p ...: the same columns of the next panels, or
/// after the last of `panels` the first ones' next columns. It is fetched in `pieces`.
template <int P>
inline Ahead<P> columns_after(const Packed& w, int64_t panel, int32_t panels, int32_t p, int64_t k, int64_t n,
                              int64_t pieces) {
  const Layout l = layout_of(w.type);
  const bool last = p + P >= panels;
  const int64_t next = last ? k + n : k, end = next + n;
  const uint8_t* from = panel_at(w, last ? panel : panel + p + P);
  Ahead<P> ahead;
  ahead.at = from + next / l.step * l.bytes;
  ahead.end = from + (end < w.padded_cols ? end : w.padded_cols) / l.step * l.bytes;
  ahead.step = ((ahead.end - ahead.at) / pieces + 63) / 64 * 64;
  ahead.panel_bytes = w.panel_bytes;
  return ahead;
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
