// A backend as the comments of ops/backend.h read, in plain loops and double sums: what the model is tested on apart
// from any kernel. It counts the memory it gave out.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "ops/backend.h"
#include "support/machine.h"

namespace owl3::test {

struct NaiveMatrix : ops::Matrix {
  std::vector<float> w;  // [rows, cols]
};

/// Keys and values of one layer of a page or crop: [K | V][kv_heads][capacity] rows of head_dim values.
struct NaiveBlock {
  ops::KvType type;
  int32_t kv_heads, head_dim, capacity;
  char* memory;
  DType dtype() const {
    return type == ops::KvType::f32 ? DType::f32 : type == ops::KvType::f16 ? DType::f16 : DType::q8_0;
  }
  int64_t row_bytes() const { return static_cast<int64_t>(gguf::row_bytes(dtype(), head_dim)); }
  char* row(bool value, int32_t head, int32_t slot) const {
    return memory + ((int64_t{value} * kv_heads + head) * capacity + slot) * row_bytes();
  }
  void store(bool value, int32_t head, int32_t slot, const float* x) const {
    gguf::quantize_row(dtype(), x, row(value, head, slot), head_dim);
  }
  std::vector<float> load(bool value, int32_t head, int32_t slot) const {
    std::vector<float> x(static_cast<size_t>(head_dim));
    gguf::dequantize_row(dtype(), row(value, head, slot), x.data(), head_dim);
    return x;
  }
};

class NaiveBackend;

class NaiveStore : public ops::KvStore {
 public:
  NaiveStore(NaiveBackend& backend, const ops::KvShape& s) : backend_(backend), shape(s) {}
  void add_page(int32_t page) override { add(pages_, page, shape.layers, shape.page_positions); }
  void drop_page(int32_t page) override { pages_[page].reset(); }
  void copy_page(int32_t from, int32_t to) override;
  void add_crop(int32_t crop) override { add(crops_, crop, shape.hyper_layers, shape.crop_tokens); }
  void drop_crop(int32_t crop) override { crops_[crop].reset(); }
  NaiveBlock page(int32_t page, int32_t layer) { return block(pages_[page], layer, shape.page_positions); }
  NaiveBlock crop(int32_t crop, int32_t layer) { return block(crops_[crop], layer, shape.crop_tokens); }

 private:
  using Blocks = std::map<int32_t, ops::Backend::Buffer>;
  NaiveBackend& backend_;
  size_t bytes(int32_t layers, int32_t capacity) const {
    const NaiveBlock b{shape.type, shape.kv_heads, shape.head_dim, capacity, nullptr};
    return static_cast<size_t>(int64_t{layers} * 2 * shape.kv_heads * capacity * b.row_bytes());
  }
  void add(Blocks& blocks, int32_t number, int32_t layers, int32_t capacity);
  NaiveBlock block(const ops::Backend::Buffer& memory, int32_t layer, int32_t capacity) const {
    char* at =
        static_cast<char*>(memory.get()) + static_cast<int64_t>(layer) * static_cast<int64_t>(bytes(1, capacity));
    return {shape.type, shape.kv_heads, shape.head_dim, capacity, at};
  }
  Blocks pages_, crops_;

 public:
  const ops::KvShape shape;
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

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
    auto m = std::make_unique<NaiveMatrix>();
    m->rows = t.rows;
    m->cols = t.cols;
    m->type = t.type;
    m->bytes = static_cast<uint64_t>(t.rows * t.cols) * sizeof(float);
    if (t.data == nullptr) return m;
    m->w.resize(static_cast<size_t>(t.rows * t.cols));
    gguf::dequantize_row(t.type, t.data, m->w.data(), t.rows * t.cols);
    return m;
  }
  bool reads_host(const ops::Matrix&) const override { return false; }
  std::unique_ptr<ops::KvStore> make_kv_store(const ops::KvShape& shape) override {
    return std::make_unique<NaiveStore>(*this, shape);
  }
  void reserve(const ops::ScratchNeed&) override {}
  size_t scratch_bytes(std::span<const ops::ScratchNeed>) const override { return 0; }

  Ticket submit() override { return 0; }
  void wait(Ticket) override {}
  void take_ids(const int32_t* ids) override { std::copy_n(ids, table_.ids.size(), table_.ids.begin()); }
  void begin(const ops::PassTable& table, ops::KvStore& store) override {
    table_ = table;
    store_ = static_cast<NaiveStore*>(&store);
  }
  void pass(const ops::PassKey&, const std::function<void()>& body) override { body(); }

  void get_rows(const ops::Matrix& w, float* y) override {
    for (size_t i = 0; i < table_.ids.size(); i++)
      std::memcpy(y + static_cast<int64_t>(i) * w.cols, row(w, table_.ids[i]),
                  static_cast<size_t>(w.cols) * sizeof(float));
  }
  void select_rows(const float* x, int64_t cols, float* y) override {
    for (size_t i = 0; i < table_.wanted.size(); i++)
      std::memcpy(y + static_cast<int64_t>(i) * cols, x + table_.wanted[i] * cols,
                  static_cast<size_t>(cols) * sizeof(float));
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
    const ops::RopeShape& s = p.shape;
    const int32_t size = store_->shape.page_positions;
    for (const ops::TableSequence& sequence : table_.sequences)
      for (int32_t i = 0; i < sequence.rows; i++) {
        const int64_t r = sequence.first_row + i;
        const int32_t position = table_.positions[static_cast<size_t>(r)];
        const int32_t page = table_.pages[static_cast<size_t>(sequence.first_page + position / size)];
        const NaiveBlock block = store_->page(page, p.layer);
        for (int32_t h = 0; h < s.heads; h++)
          rotate(p.q + r * p.ldq + int64_t{h} * s.head_dim, s.head_dim, position, s.theta);
        for (int32_t h = 0; h < s.kv_heads; h++) {
          const int64_t at = r * p.ld + int64_t{h} * s.head_dim;
          store_key_value(block, h, position % size, p.k + at, p.v + at, position, s.theta, p.key_shift);
        }
      }
  }

  void store_visual(const ops::StoreVisualParams& p) override {
    NaiveStore& store = static_cast<NaiveStore&>(*p.store);
    const ops::RopeShape& s = p.shape;
    const NaiveBlock block = store.crop(p.crop, p.hyper_layer);
    for (int32_t t = 0; t < store.shape.crop_tokens; t++)
      for (int32_t h = 0; h < s.kv_heads; h++) {
        const float* k = p.kv + (int64_t{t} * s.kv_heads + h) * 2 * s.head_dim;
        store_key_value(block, h, t, k, k + s.head_dim, p.position, s.theta, p.key_shift);
      }
  }

  void attention(const ops::AttentionParams& p) override {
    for (const ops::TableSequence& sequence : table_.sequences)
      for (int32_t i = 0; i < sequence.rows; i++)
        for (int32_t h = 0; h < p.heads; h++) attend(p, sequence, sequence.first_row + i, h);
  }

  /// Bytes given out now and at most; shared, as buffers may outlive the backend.
  std::shared_ptr<size_t> now = std::make_shared<size_t>(0), peak = std::make_shared<size_t>(0);
  int copies = 0;       ///< pages copied
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
  static void store_key_value(const NaiveBlock& block, int32_t head, int32_t slot, const float* k, const float* v,
                              int32_t position, float theta, const float* shift) {
    std::vector<float> key(k, k + block.head_dim);
    rotate(key.data(), block.head_dim, position, theta);
    for (int32_t d = 0; shift != nullptr && d < block.head_dim; d++)
      key[static_cast<size_t>(d)] -= shift[head * block.head_dim + d];
    if (block.type == ops::KvType::q8_0) key = hadamard(key);
    block.store(false, head, slot, key.data());
    block.store(true, head, slot, v);
  }

  /// Keys' scores and values, to be averaged.
  struct Seen {
    std::vector<double> scores;
    std::vector<std::vector<float>> values;
    void add(const Seen& other) {
      scores.insert(scores.end(), other.scores.begin(), other.scores.end());
      values.insert(values.end(), other.values.begin(), other.values.end());
    }
    /// The values' mean, weighted by the softmax of the scores.
    std::vector<float> average(int32_t head_dim) {
      const double max = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& s : scores) sum += s = std::exp(s - max);
      std::vector<float> mean;
      for (int32_t d = 0; d < head_dim; d++) {
        double v = 0;
        for (size_t j = 0; j < scores.size(); j++) v += scores[j] * values[j][static_cast<size_t>(d)];
        mean.push_back(static_cast<float>(v / sum));
      }
      return mean;
    }
  };

  /// One row and head: softmax over the crops and the text that the row sees, one of each where there is a gate.
  void attend(const ops::AttentionParams& p, const ops::TableSequence& sequence, int64_t r, int32_t head) {
    const int32_t t = table_.positions[static_cast<size_t>(r)], kv_head = head / (p.heads / p.kv_heads);
    const float* q = p.q + r * p.ldq + int64_t{head} * p.head_dim;
    Seen crops, text;
    const auto see = [&](Seen& seen, const NaiveBlock& block, int32_t slot) {
      std::vector<float> key = block.load(false, kv_head, slot);
      if (block.type == ops::KvType::q8_0) key = hadamard(key);
      seen.scores.push_back(dot(q, key.data(), p.head_dim) / std::sqrt(double(p.head_dim)));
      seen.values.push_back(block.load(true, kv_head, slot));
    };
    if (p.hyper_layer >= 0)
      for (int32_t c = 0; c < sequence.crops; c++) {
        const ops::TableCrop& crop = table_.crops[static_cast<size_t>(sequence.first_crop + c)];
        if (crop.position > t) continue;
        const NaiveBlock block = store_->crop(crop.crop, p.hyper_layer);
        for (int32_t j = 0; j < block.capacity; j++) see(crops, block, j);
      }
    const int32_t size = store_->shape.page_positions;
    for (int32_t j = 0; j <= t; j++)
      see(text, store_->page(table_.pages[static_cast<size_t>(sequence.first_page + j / size)], p.layer), j % size);
    float* out = p.out + (r * p.heads + head) * p.head_dim;
    const auto copy = [&](const std::vector<float>& from) { std::copy(from.begin(), from.end(), out); };
    if (p.gate.kind == ops::GateKind::none) {
      crops.add(text);
      return copy(crops.average(p.head_dim));
    }
    const std::vector<float> c = text.average(p.head_dim);
    copy(c);
    if (crops.scores.empty()) return;
    const std::vector<float> v = crops.average(p.head_dim);
    for (int32_t d = 0; d < p.head_dim; d++) {
      const double g = gate(p, c, head, d);
      out[d] = static_cast<float>((1 - g) * c[static_cast<size_t>(d)] + g * v[static_cast<size_t>(d)]);
    }
  }
  static double gate(const ops::AttentionParams& p, const std::vector<float>& c, int32_t head, int32_t d) {
    if (p.gate.kind == ops::GateKind::channel) return p.gate.weight[head * p.head_dim + d];
    double x = p.gate.bias[d];
    for (int32_t i = 0; i < p.head_dim; i++) x += double(c[static_cast<size_t>(i)]) * p.gate.weight[i * p.head_dim + d];
    return 1 / (1 + std::exp(-x));
  }

  ops::PassTable table_;
  NaiveStore* store_ = nullptr;
  std::string name_ = "naive";
};

inline void NaiveStore::copy_page(int32_t from, int32_t to) {
  std::memcpy(pages_[to].get(), pages_[from].get(), bytes(shape.layers, shape.page_positions));
  backend_.copies++;
}
inline void NaiveStore::add(Blocks& blocks, int32_t number, int32_t layers, int32_t capacity) {
  blocks[number] = backend_.allocate(bytes(layers, capacity));
}

}  // namespace owl3::test
