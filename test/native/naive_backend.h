// A backend as the comments of ops/backend.h read, in plain loops and double sums: what the model is tested on apart
// from any kernel. It counts the memory it gave out.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ops/backend.h"

namespace owl3::test {

struct NaiveMatrix : ops::Matrix {
  std::vector<float> w;  // [rows, cols]
};

class NaiveBackend : public ops::Backend {
 public:
  const std::string& name() const override { return name_; }
  int threads() const override { return 1; }

  Buffer allocate(size_t bytes) override {
    if (fail_after == 0) throw Error(ErrorCode::out_of_memory, "no memory left for the test");
    if (fail_after > 0) fail_after--;
    const size_t size = (bytes + 63) / 64 * 64;
    void* p = std::aligned_alloc(64, size == 0 ? 64 : size);
    std::memset(p, 0xa5, size);  // whoever reads before writing gets nonsense
    *now += size;
    *peak = std::max(*peak, *now);
    return Buffer(p, [size, counter = now](void* q) {
      *counter -= size;
      std::free(q);
    });
  }
  void copy_to_host(void* dst, const void* src, size_t bytes) override { std::memcpy(dst, src, bytes); }
  void copy_to_device(void* dst, const void* src, size_t bytes) override { std::memcpy(dst, src, bytes); }
  void copy(void* dst, const void* src, size_t bytes) override {
    std::memcpy(dst, src, bytes);
    copies++;
  }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
    auto m = std::make_unique<NaiveMatrix>();
    m->rows = t.rows;
    m->cols = t.cols;
    m->type = t.type;
    m->w.resize(static_cast<size_t>(t.rows * t.cols));
    m->bytes = m->w.size() * sizeof(float);
    gguf::dequantize_row(t.type, t.data, m->w.data(), t.rows * t.cols);
    return m;
  }
  bool reads_host(const ops::Matrix&) const override { return false; }
  void reserve(int64_t, int64_t) override {}
  size_t scratch_bytes() const override { return 0; }

  void get_rows(const ops::Matrix& w, std::span<const int32_t> ids, float* y) override {
    for (size_t i = 0; i < ids.size(); i++)
      std::memcpy(y + static_cast<int64_t>(i) * w.cols, row(w, ids[i]), static_cast<size_t>(w.cols) * sizeof(float));
  }

  void linear(const ops::LinearParams& p) override {
    const int64_t k = p.outputs[0].w->cols;
    products++;
    for (int64_t r = 0; r < p.rows; r++) {
      const std::vector<float> h = normalised(p.x + r * p.ldx, k, p.norm);
      for (const ops::LinearOutput& o : p.outputs)
        for (int64_t j = 0; j < o.w->rows; j++) {
          double v = dot(h.data(), row(*o.w, j), k) + (o.bias != nullptr ? o.bias[j] : 0.f);
          if (o.gate != nullptr) {
            const double g = dot(h.data(), row(*o.gate, j), k);
            v *= g / (1 + std::exp(-g));
          }
          if (o.activation == ops::Activation::gelu_tanh)
            v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
          if (o.activation == ops::Activation::gelu_erf) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
          if (o.residual != nullptr) v += o.residual[(o.residual_rows > 0 ? r % o.residual_rows : r) * o.ldy + j];
          o.y[r * o.ldy + j] = static_cast<float>(v);
        }
    }
  }

  void patchify(const ops::PatchifyParams& p) override {
    const int64_t side = p.size / p.patch, values = int64_t{3} * p.patch * p.patch;
    for (int64_t crop = 0; crop < p.n; crop++)
      for (int64_t py = 0; py < side; py++)
        for (int64_t px = 0; px < side; px++)
          for (int64_t i = 0; i < values; i++) {
            const int64_t c = i / (p.patch * p.patch), y = py * p.patch + i / p.patch % p.patch,
                          x = px * p.patch + i % p.patch;
            const float pixel = static_cast<float>(p.crops[((crop * p.size + y) * p.size + x) * 3 + c]) / 255.f;
            p.y[((crop * side + py) * side + px) * values + i] = (pixel - p.mean[c]) / p.std[c];
          }
  }

  void vision_attention(const ops::VisionAttentionParams& p) override {
    std::vector<double> s(static_cast<size_t>(p.tokens));
    for (int64_t crop = 0; crop < p.crops; crop++)
      for (int32_t h = 0; h < p.heads; h++)
        for (int64_t i = 0; i < p.tokens; i++) {
          const int64_t at = int64_t{h} * p.head_dim, first = crop * p.tokens;
          double sum = 0, top = -1e300;
          for (int64_t j = 0; j < p.tokens; j++)
            top = std::max(top, s[static_cast<size_t>(j)] =
                                    dot(p.q + (first + i) * p.ld + at, p.k + (first + j) * p.ld + at, p.head_dim) /
                                    std::sqrt(double(p.head_dim)));
          for (double& v : s) sum += v = std::exp(v - top);
          for (int32_t d = 0; d < p.head_dim; d++) {
            double v = 0;
            for (int64_t j = 0; j < p.tokens; j++) v += s[static_cast<size_t>(j)] * p.v[(first + j) * p.ld + at + d];
            p.out[(first + i) * p.heads * p.head_dim + at + d] = static_cast<float>(v / sum);
          }
        }
  }

  void rope_store(const ops::RopeStoreParams& p) override {
    for (size_t r = 0; r < p.slots.size(); r++) {
      const ops::KvSlot& slot = p.slots[r];
      const int64_t n = static_cast<int64_t>(r);
      if (p.q != nullptr)
        for (int32_t h = 0; h < p.heads; h++)
          rotate(p.q + n * p.ldq + int64_t{h} * p.head_dim, p.head_dim, slot.position, p.rope_theta);
      for (int32_t h = 0; h < p.kv_heads; h++) {
        const float* k = p.k + n * p.ldk + h * p.k_head_stride;
        std::vector<float> key(k, k + p.head_dim);
        rotate(key.data(), p.head_dim, slot.position, p.rope_theta);
        store(slot.block, slot.block.k, h, slot.slot, key.data(), p.head_dim);
        store(slot.block, slot.block.v, h, slot.slot, p.v + n * p.ldv + h * p.v_head_stride, p.head_dim);
      }
    }
  }

  void attention(const ops::AttentionParams& p) override {
    const int32_t group = p.heads / p.kv_heads;
    for (const ops::AttentionSequence& sequence : p.sequences)
      for (int64_t i = 0; i < sequence.rows; i++)
        for (int32_t h = 0; h < p.heads; h++) {
          const int64_t r = sequence.first_row + i, t = sequence.first_position + i;
          const float* q = p.q + r * p.ldq + int64_t{h} * p.head_dim;
          std::vector<double> s;
          std::vector<std::vector<float>> values;
          double top = -1e300, sum = 0;
          for (const ops::KvSegment& g : sequence.segments)
            for (int32_t j = 0; j < g.count; j++) {
              if ((g.causal ? g.position + j : g.position) > t) break;
              const std::vector<float> k = load(g.block, g.block.k, h / group, j, p.head_dim);
              s.push_back(dot(q, k.data(), p.head_dim) / std::sqrt(double(p.head_dim)));
              top = std::max(top, s.back());
              values.push_back(load(g.block, g.block.v, h / group, j, p.head_dim));
            }
          for (double& v : s) sum += v = std::exp(v - top);
          for (int32_t d = 0; d < p.head_dim; d++) {
            double v = 0;
            for (size_t j = 0; j < s.size(); j++) v += s[j] * values[j][static_cast<size_t>(d)];
            p.out[r * p.heads * p.head_dim + int64_t{h} * p.head_dim + d] = static_cast<float>(v / sum);
          }
        }
  }

  /// Bytes given out now and at most; shared, as buffers may outlive the backend.
  std::shared_ptr<size_t> now = std::make_shared<size_t>(0), peak = std::make_shared<size_t>(0);
  int copies = 0;
  int products = 0;     ///< calls of linear()
  int fail_after = -1;  ///< allocations until out of memory; < 0: never

 private:
  static const float* row(const ops::Matrix& m, int64_t i) {
    return static_cast<const NaiveMatrix&>(m).w.data() + i * m.cols;
  }
  static double dot(const float* a, const float* b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += double(a[i]) * b[i];
    return sum;
  }
  static std::vector<float> normalised(const float* x, int64_t k, const ops::Norm& norm) {
    std::vector<float> h(x, x + k);
    if (norm.kind == ops::NormKind::none) return h;
    double mean = 0, square = 0;
    if (norm.kind == ops::NormKind::layer)
      for (float v : h) mean += v / double(k);
    for (float v : h) square += (v - mean) * (v - mean) / double(k);
    for (int64_t i = 0; i < k; i++)
      h[static_cast<size_t>(i)] = static_cast<float>((x[i] - mean) / std::sqrt(square + norm.eps) * norm.weight[i] +
                                                     (norm.bias != nullptr ? norm.bias[i] : 0.f));
    return h;
  }
  static void rotate(float* x, int32_t d, int32_t position, float theta) {
    for (int32_t i = 0; i < d / 2; i++) {
      const double angle = position * std::pow(double(theta), -2.0 * i / d), c = std::cos(angle), s = std::sin(angle);
      const double a = x[i], b = x[i + d / 2];
      x[i] = static_cast<float>(a * c - b * s);
      x[i + d / 2] = static_cast<float>(b * c + a * s);
    }
  }
  static DType dtype(ops::KvType t) {
    return t == ops::KvType::f32 ? DType::f32 : t == ops::KvType::f16 ? DType::f16 : DType::q8_0;
  }
  static char* at(const ops::KvBlock& b, void* base, int32_t head, int32_t slot, int32_t d) {
    return static_cast<char*>(base) +
           (int64_t{head} * b.capacity + slot) * static_cast<int64_t>(gguf::row_bytes(dtype(b.type), d));
  }
  static void store(const ops::KvBlock& b, void* base, int32_t head, int32_t slot, const float* x, int32_t d) {
    gguf::quantize_row(dtype(b.type), x, at(b, base, head, slot, d), d);
  }
  static std::vector<float> load(const ops::KvBlock& b, void* base, int32_t head, int32_t slot, int32_t d) {
    std::vector<float> x(static_cast<size_t>(d));
    gguf::dequantize_row(dtype(b.type), at(b, base, head, slot, d), x.data(), d);
    return x;
  }
  std::string name_ = "naive";
};

}  // namespace owl3::test
