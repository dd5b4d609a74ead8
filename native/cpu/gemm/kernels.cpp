// GEMM in f32, what comes before (normalised rows) and after (bias, activation, residual). Compiled once for each
// instruction set.
#include "cpu/gemm/kernels.h"

#include "cpu/gemm/f32.h"
#include "cpu/gemm/rows.h"
#include "cpu/simd/exp2.h"

namespace owl3::cpu::OWL3_ISA {
namespace {

/// x (1 + tanh(u)) / 2 = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
inline Lanes gelu_tanh(Lanes x) {
  const Lanes u2 = x * fma(x * x, splat(2 * 0.7978845608f * 0.044715f), splat(2 * 0.7978845608f));
  return x * sigmoid(u2);
}
/// x (1 + erf(x / sqrt 2)) / 2 with Abramowitz and Stegun 7.1.26: absolute error of erfc below 1.5e-7, and none by
/// cancellation.
inline Lanes gelu_erf(Lanes x) {
  const Lanes z = absolute(x) * splat(0.70710678118f), t = splat(1) / fma(z, splat(0.3275911f), splat(1));
  Lanes p = splat(1.061405429f);
  p = fma(p, t, splat(-1.453152027f));
  p = fma(p, t, splat(1.421413741f));
  p = fma(p, t, splat(-0.284496736f));
  p = fma(p, t, splat(0.254829592f));
  const Lanes half = splat(0.5f) * x * p * t * exp2_lanes(z * z * splat(-log2_e));  // x erfc(|x| / sqrt 2) / 2
  return choose(x, x - half, half);
}

/// Row by row: the outputs of a row are neighbours in memory, those of a panel lie whole rows apart.
inline void epilogue(const Epilogue& e) {
  constexpr int64_t ahead = 4;  // rows fetched before their turn
  for (int64_t i = 0; i < e.rows; ++i) {
    const int64_t row = e.row + i, from = e.residual_rows ? row % e.residual_rows : row;
    float* y = e.y + row * e.ldy;
    const float* residual = e.residual ? e.residual + from * e.ldy : nullptr;
    for (int64_t j = 0; j < e.n; j += 16) {
      const int64_t at = j / 16 * e.panel_stride + 16 * i, n = e.n - j;
      if (i + ahead < e.rows) __builtin_prefetch(y + ahead * e.ldy + j, 1);
      if (residual && from + ahead < e.row + e.rows) __builtin_prefetch(residual + ahead * e.ldy + j);
      Lanes v = load(e.acc + at);
      if (e.gate) {
        const Lanes g = load(e.gate + at);
        v = g * sigmoid(g) * v;
      }
      if (e.bias) v = v + load_some(e.bias + j, n);
      if (e.activation == ops::Activation::gelu_tanh) v = gelu_tanh(v);
      if (e.activation == ops::Activation::gelu_erf) v = gelu_erf(v);
      if (residual) v = v + load_some(residual + j, n);
      store_some(y + j, v, n);
    }
  }
}

}  // namespace

extern const gemm::Kernels gemm_kernels;
const gemm::Kernels gemm_kernels{.norm = norm_row,
                                 .epilogue = epilogue,
                                 .int8 = {},
                                 .int8_residuals = nullptr,
                                 .pairs = {},
                                 .f32 = f32_all,
                                 .bf16 = {},
                                 .int16 = {},
                                 .gemv = {},
                                 .unsigned_q8 = false,
                                 .bulk_quants_bf16 = false};

}  // namespace owl3::cpu::OWL3_ISA
