#include "cuda/verbs/linear.h"

#include <string>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

constexpr Form all_forms[] = {Form::int8, Form::f16, Form::bf16, Form::f32};

const DeviceMatrix& device(const ops::Matrix& m) {
  return static_cast<const DeviceMatrix&>(m);
}

/// Columns of a row of activations: whole stages (kernels/shapes.h).
int64_t padded(Form form, int64_t cols) {
  return round_up(cols, form == Form::int8 ? 256 : 64);
}
size_t aligned(int64_t bytes) {
  return static_cast<size_t>(round_up(bytes, 256));
}
size_t value_bytes(Form form, int64_t rows, int64_t cols) {
  return aligned(rows * padded(form, cols) * (form == Form::int8 ? 1 : 4));
}
size_t scale_bytes(Form form, int64_t rows, int64_t cols) {
  if (form == Form::int8) return aligned(rows * padded(form, cols) / 32 * 8);
  return form == Form::f16 ? aligned(rows * 4) : 0;
}

const char* rows_kernel(Form form) {
  switch (form) {
    case Form::int8:
      return "rows_int8";
    case Form::f16:
      return "rows_f16";
    case Form::bf16:
      return "rows_bf16";
    case Form::f32:
      break;
  }
  return "rows_f32";
}

/// Names of the kernels of a packing.
struct ProductKernels {
  const char* gemv;
  const char* gemv32;
  const char* gemm;
};
ProductKernels product_kernels(Packing packing) {
  switch (packing) {
    case Packing::f16:
      return {"gemv_f16", "gemv32_f16", "gemm_f16"};
    case Packing::bf16:
      return {"gemv_bf16", "gemv32_bf16", "gemm_bf16"};
    case Packing::q8_0:
      return {"gemv_q8_0", "gemv32_q8_0", "gemm_q8_0"};
    case Packing::q4_0:
      return {"gemv_q4_0", "gemv32_q4_0", "gemm_q4_0"};
    case Packing::q5_0:
      return {"gemv_q5_0", "gemv32_q5_0", "gemm_q5_0"};
    case Packing::q4_k:
      return {"gemv_q4_k", "gemv32_q4_k", "gemm_q4_k"};
    case Packing::q5_k:
      return {"gemv_q5_k", "gemv32_q5_k", "gemm_q5_k"};
    case Packing::q6_k:
      return {"gemv_q6_k", "gemv32_q6_k", "gemm_q6_k"};
    case Packing::f32:
      break;
  }
  throw Error(ErrorCode::internal, "F32 weights have one kernel, product_plain");
}

/// Rows of activations in one form.
struct Converted {
  char* values = nullptr;
  float* scales = nullptr;
};

RowNorm row_norm(ops::NormKind kind) {
  return kind == ops::NormKind::rms ? RowNorm::rms : kind == ops::NormKind::layer ? RowNorm::layer : RowNorm::none;
}

void convert(Launcher& launcher, const ops::LinearParams& p, Form form, int64_t k, const Converted& to) {
  const RowsParams params{.x = p.x,
                          .ldx = p.ldx,
                          .k = static_cast<int32_t>(k),
                          .padded = static_cast<int32_t>(padded(form, k)),
                          .norm = row_norm(p.norm.kind),
                          .eps = p.norm.eps,
                          .weight = p.norm.weight,
                          .bias = p.norm.kind == ops::NormKind::layer ? p.norm.bias : nullptr,
                          .values = to.values,
                          .scales = to.scales};
  launch(launcher, rows_kernel(form), {static_cast<uint32_t>(p.rows)}, rows_threads, params,
         rows_floats * sizeof(float));
}

void multiply(Launcher& launcher, Form form, const ProductParams& p) {
  const auto strips = static_cast<uint32_t>(divide_up(p.w.rows, strip_rows));
  if (form == Form::f32)
    return launch(launcher, "product_plain", {strips, static_cast<uint32_t>(divide_up(p.rows, plain_rows))},
                  plain_threads, p, plain_floats * sizeof(float));
  const ProductKernels kernels = product_kernels(p.w.packing);
  if (p.rows <= gemv32_rows) {
    const bool one = p.rows <= gemv_rows;
    return launch(launcher, one ? kernels.gemv : kernels.gemv32, {strips}, gemv_threads, p,
                  static_cast<uint32_t>(gemv_floats(one ? gemv_rows : gemv32_rows)) * sizeof(float));
  }
  launch(launcher, kernels.gemm,
         {static_cast<uint32_t>(divide_up(p.rows, Stage::rows)),
          static_cast<uint32_t>(divide_up(strips, gemm_threads / 32))},
         gemm_threads, p, gemm_stages * sizeof(Stage));
}

ProductActivation activation_of(ops::Activation a) {
  return a == ops::Activation::gelu_tanh  ? ProductActivation::gelu_tanh
         : a == ops::Activation::gelu_erf ? ProductActivation::gelu_erf
                                          : ProductActivation::none;
}

}  // namespace

Form form_of(const DeviceMatrix& m, ops::Precision precision) {
  if (precision == ops::Precision::exact || m.packed.packing == Packing::f32) return Form::f32;
  if (m.packed.packing == Packing::f16) return Form::f16;
  return m.packed.packing == Packing::bf16 ? Form::bf16 : Form::int8;
}

size_t linear_scratch_bytes(Forms forms, int64_t rows, int64_t cols) {
  size_t bytes = 0;
  for (const Form form : all_forms)
    if (forms & forms_bit(form)) bytes += value_bytes(form, rows, cols) + scale_bytes(form, rows, cols);
  return bytes;
}

void linear(Launcher& launcher, const ops::LinearParams& p, ops::Precision precision, void* scratch) {
  if (p.rows == 0 || p.outputs.empty()) return;
  const int64_t k = p.outputs[0].w->cols;
  Converted converted[std::size(all_forms)];
  const auto rows_in = [&](const DeviceMatrix& m) {
    const Form form = form_of(m, precision);
    Converted& c = converted[static_cast<size_t>(form)];
    if (c.values == nullptr) {
      c.values = static_cast<char*>(scratch);
      c.scales = reinterpret_cast<float*>(c.values + value_bytes(form, p.rows, k));
      scratch = reinterpret_cast<char*>(c.scales) + scale_bytes(form, p.rows, k);
      convert(launcher, p, form, k, c);
    }
    return ProductParams{.w = m.packed,
                         .values = c.values,
                         .scales = c.scales,
                         .padded = static_cast<int32_t>(padded(form, k)),
                         .rows = static_cast<int32_t>(p.rows)};
  };
  for (const ops::LinearOutput& out : p.outputs) {
    for (const ops::Matrix* m : {out.w, out.gate})
      if (m != nullptr && (m->cols != k || m->rows != out.w->rows))
        throw Error(ErrorCode::internal, "linear: matrices of different sizes");
    const bool gated = out.gate != nullptr;
    if (gated && (out.bias != nullptr || out.residual != nullptr || out.activation != ops::Activation::none))
      throw Error(ErrorCode::internal, "linear: a gated output has neither bias, activation nor residual");
    if (gated) {  // y takes the gate's product first
      ProductParams gate = rows_in(device(*out.gate));
      gate.y = out.y;
      gate.ldy = out.ldy;
      multiply(launcher, form_of(device(*out.gate), precision), gate);
    }
    ProductParams product = rows_in(device(*out.w));
    product.bias = out.bias;
    product.residual = out.residual;
    product.residual_rows = static_cast<int32_t>(out.residual_rows);
    product.gated = gated ? 1 : 0;
    product.activation = activation_of(out.activation);
    product.y = out.y;
    product.ldy = out.ldy;
    multiply(launcher, form_of(device(*out.w), precision), product);
  }
}

}  // namespace owl3::cuda
