#include "cuda/verbs/linear.h"

#include <algorithm>
#include <string>
#include <vector>

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

/// One launch for all outputs of `p`, whose weights take their rows in this form.
void multiply(Launcher& launcher, Form form, const ProductParams& p) {
  uint32_t strips = 0;
  for (int32_t i = 0; i < p.count; i++) strips += static_cast<uint32_t>(p.outputs[i].w.strips());
  if (form == Form::f32)
    return launch(launcher, "product_plain", {strips, static_cast<uint32_t>(divide_up(p.rows, plain_rows))},
                  plain_threads, p, plain_floats * sizeof(float));
  const ProductKernels kernels = product_kernels(p.outputs[0].w.packing);
  if (p.rows <= gemv32_rows) {
    const bool one = p.rows <= gemv_rows;
    return launch(launcher, one ? kernels.gemv : kernels.gemv32, {strips}, gemv_threads, p,
                  static_cast<uint32_t>(gemv_floats(one ? gemv_rows : gemv32_rows)) * sizeof(float));
  }
  launch(launcher, kernels.gemm,
         {static_cast<uint32_t>(divide_up(p.rows, gemm_rows)),
          static_cast<uint32_t>(divide_up(strips, gemm_threads / 32))},
         gemm_threads, p, gemm_stages * (form == Form::int8 ? sizeof(Stage<false>) : sizeof(Stage<true>)));
}

/// Outputs that one launch computes.
struct Batch {
  Form form;
  Packing packing;
  ProductParams params;
};

/// Launches as few as there are packings, and ways of gating, among what is added.
class Batches {
 public:
  void add(Form form, Gating gating, const ProductOutput& output) {
    const auto fits = [&](const Batch& b) {
      return b.form == form && b.packing == output.w.packing && b.params.gating == gating &&
             b.params.count < max_outputs;
    };
    auto found = std::ranges::find_if(batches_, fits);
    if (found == batches_.end()) {
      batches_.push_back({form, output.w.packing, {}});
      found = std::prev(batches_.end());
      found->params.gating = gating;
      found->params.units = output.w.units;
    }
    found->params.outputs[found->params.count++] = output;
  }
  const std::vector<Batch>& all() const { return batches_; }

 private:
  std::vector<Batch> batches_;
};

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
  Batches first, then;  // `then`: what is gated by a product of the first
  for (const ops::LinearOutput& out : p.outputs) {
    for (const ops::Matrix* m : {out.w, out.gate})
      if (m != nullptr && (m->cols != k || m->rows != out.w->rows))
        throw Error(ErrorCode::internal, "linear: matrices of different sizes");
    const DeviceMatrix& w = device(*out.w);
    const Form form = form_of(w, precision);
    ProductOutput product{.w = w.packed,
                          .bias = out.bias,
                          .residual = out.residual,
                          .residual_rows = static_cast<int32_t>(out.residual_rows),
                          .activation = activation_of(out.activation),
                          .y = out.y,
                          .ldy = out.ldy};
    if (out.gate == nullptr) {
      first.add(form, Gating::none, product);
      continue;
    }
    if (out.bias != nullptr || out.residual != nullptr || out.activation != ops::Activation::none)
      throw Error(ErrorCode::internal, "linear: a gated output has neither bias, activation nor residual");
    const DeviceMatrix& gate = device(*out.gate);
    if (gate.packed.packing == w.packed.packing) {
      product.gate = gate.packed.data;
      first.add(form, Gating::here, product);
    } else {
      first.add(form_of(gate, precision), Gating::none, {.w = gate.packed, .y = out.y, .ldy = out.ldy});
      then.add(form, Gating::before, product);
    }
  }
  Converted converted[std::size(all_forms)];
  for (const Batches* batches : {&first, &then})
    for (Batch batch : batches->all()) {
      Converted& c = converted[static_cast<size_t>(batch.form)];
      if (c.values == nullptr) {
        c.values = static_cast<char*>(scratch);
        c.scales = reinterpret_cast<float*>(c.values + value_bytes(batch.form, p.rows, k));
        scratch = reinterpret_cast<char*>(c.scales) + scale_bytes(batch.form, p.rows, k);
        convert(launcher, p, batch.form, k, c);
      }
      batch.params.values = c.values;
      batch.params.scales = c.scales;
      batch.params.padded = static_cast<int32_t>(padded(batch.form, k));
      batch.params.rows = static_cast<int32_t>(p.rows);
      multiply(launcher, batch.form, batch.params);
    }
}

}  // namespace owl3::cuda
