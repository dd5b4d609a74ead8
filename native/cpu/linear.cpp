#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/norm.h"
#include "cpu/ops.h"

namespace owl3::cpu {
namespace {

class CpuMatrix final : public Matrix {
 public:
  std::shared_ptr<void> data;
  uint64_t row = 0;  // bytes
  const void* at(int64_t r) const { return static_cast<const char*>(data.get()) + static_cast<uint64_t>(r) * row; }
};

const CpuMatrix& cpu_matrix(const Matrix& m) { return static_cast<const CpuMatrix&>(m); }

float dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return static_cast<float>(sum);
}

float activate(Activation kind, float x) {
  switch (kind) {
    case Activation::none: return x;
    case Activation::gelu_tanh: return 0.5f * x * (1.0f + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
    case Activation::gelu_erf: return 0.5f * x * (1.0f + std::erf(x * 0.7071067812f));
  }
  return x;
}

}  // namespace

std::unique_ptr<Matrix> load_matrix(Context& c, const HostTensor& t) {
  auto m = std::make_unique<CpuMatrix>();
  m->rows = t.rows;
  m->cols = t.cols;
  m->type = t.type;
  m->row = row_bytes(t.type, t.cols);
  m->bytes = m->row * static_cast<uint64_t>(t.rows);
  m->data = aligned_memory(m->bytes);
  c.pool.parallel_for(t.rows, [&](int64_t r, int) {
    std::memcpy(const_cast<void*>(m->at(r)), static_cast<const char*>(t.data) + static_cast<uint64_t>(r) * m->row, m->row);
  });
  return m;
}

void get_rows(Context& c, const Matrix& w, std::span<const int32_t> ids, float* y) {
  const CpuMatrix& m = cpu_matrix(w);
  c.pool.parallel_for(static_cast<int64_t>(ids.size()), [&](int64_t i, int) {
    dequantize_row(m.type, m.at(ids[static_cast<size_t>(i)]), y + i * m.cols, m.cols);
  });
}

void linear(Context& c, const LinearParams& p) {
  if (p.rows == 0 || p.outputs.empty()) return;
  const int64_t k = p.outputs[0].w->cols;
  float* h = static_cast<float*>(c.scratch.shared(static_cast<size_t>(p.rows * k) * sizeof(float)));
  c.pool.parallel_for(p.rows, [&](int64_t r, int) { norm_row(p.norm, p.x + r * p.ldx, h + r * k, k); });

  for (const LinearOutput& out : p.outputs) {
    const CpuMatrix& w = cpu_matrix(*out.w);
    constexpr int64_t tile = 16;
    c.pool.parallel_for((w.rows + tile - 1) / tile, [&](int64_t t, int worker) {
      float* a = static_cast<float*>(c.scratch.worker(worker, static_cast<size_t>(2 * k) * sizeof(float)));
      float* g = a + k;
      for (int64_t n = t * tile; n < std::min(w.rows, (t + 1) * tile); n++) {
        dequantize_row(w.type, w.at(n), a, k);
        if (out.gate) dequantize_row(out.gate->type, cpu_matrix(*out.gate).at(n), g, k);
        for (int64_t r = 0; r < p.rows; r++) {
          float y = dot(h + r * k, a, k);
          if (out.gate) {
            const float s = dot(h + r * k, g, k);
            y *= s / (1.0f + std::exp(-s));
          }
          if (out.bias) y += out.bias[n];
          y = activate(out.activation, y);
          if (out.residual) y += out.residual[(out.residual_rows ? r % out.residual_rows : r) * out.ldy + n];
          out.y[r * out.ldy + n] = y;
        }
      }
    });
  }
}

void reserve_linear(Context& c, int64_t rows, int64_t cols) {
  c.scratch.shared(static_cast<size_t>(rows * cols) * sizeof(float));
  c.scratch.reserve_workers(static_cast<size_t>(2 * cols) * sizeof(float));
}

}  // namespace owl3::cpu
