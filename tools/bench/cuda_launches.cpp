// Prints what the verbs of native/cuda/verbs would launch for a token and for a prompt of the released shapes, and the
// bytes and products of it, as JSON: for cuda_static.mjs. Nothing is computed.
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/verbs/attention.h"
#include "cuda/verbs/linear.h"
#include "cuda/verbs/pick.h"
#include "cuda/verbs/rows.h"

using namespace owl3;
using namespace owl3::cuda;

namespace {

struct Shape {
  const char* name;
  int32_t layers, hyper_layers, hidden_size, intermediate_size, heads, kv_heads, head_dim, vocab_size;
};
constexpr Shape shapes[] = {{"2b", 28, 4, 1536, 8960, 12, 2, 128, 151851},
                            {"7b", 28, 4, 3584, 18944, 28, 4, 128, 151651}};

struct Work {
  const char* name;
  int32_t rows, position, crops;
};
constexpr Work works[] = {{"a token, 512 positions, 1 crop", 1, 511, 1},
                          {"a token, 512 positions, 128 crops", 1, 511, 128},
                          {"a prompt of 512 positions", 512, 0, 1}};
constexpr int32_t crop_tokens = 729;

struct Counted {
  uint32_t threads, shared_bytes;
  int count;
};

class Counter final : public Launcher {
 public:
  void launch(const Launch& l) override {
    Counted& c = kernels.try_emplace(l.kernel, Counted{l.block.x, 0, 0}).first->second;
    c.shared_bytes = std::max(c.shared_bytes, l.shared_bytes);
    c.count++;
  }
  int multiprocessors() const override { return 100; }
  std::map<std::string, Counted> kernels;
};

/// All that a pass costs.
struct Pass {
  Pass(const Shape& s, const Work& w, bool mixed) : shape(s), work(w), q4_k_m(mixed) {}

  struct Product {
    int64_t n;
    bool large = false;  ///< its weights have six bits in q4_k_m
    bool gated = false;
  };
  /// Products of the same rows.
  void multiply(std::vector<Product> all, int64_t k, ops::NormKind norm, bool residual, int64_t rows) {
    std::vector<std::unique_ptr<DeviceMatrix>> matrices;
    std::vector<ops::LinearOutput> outputs;
    for (const Product& p : all) {
      const bool large = p.large && q4_k_m;
      const DType type = large ? DType::q6_k : q4_k_m ? DType::q4_k : DType::q8_0;
      const DeviceMatrix* m =
          matrices.emplace_back(new DeviceMatrix(ops::HostTensor{.type = type, .rows = p.n, .cols = k})).get();
      const int64_t count = p.gated ? 2 : 1;
      device_bytes += m->bytes * static_cast<uint64_t>(count);
      file_bytes += static_cast<uint64_t>(p.n * count) * gguf::row_bytes(type, k);
      products[large ? "q6_k" : q4_k_m ? "q4_k" : "q8_0"] += static_cast<double>(p.n * k * count * rows);
      outputs.push_back(
          {.w = m, .gate = p.gated ? m : nullptr, .residual = residual ? somewhere : nullptr, .y = somewhere});
    }
    linear(launcher, {.x = somewhere, .rows = rows, .norm = {.kind = norm}, .outputs = outputs},
           ops::Precision::automatic, somewhere);
  }
  void run() {
    const int32_t length = work.position + work.rows, width = shape.heads * shape.head_dim;
    const int32_t kv_width = shape.kv_heads * shape.head_dim;
    const KvAddresses kv{.shape = {.layers = shape.layers,
                                   .hyper_layers = shape.hyper_layers,
                                   .kv_heads = shape.kv_heads,
                                   .head_dim = shape.head_dim,
                                   .page_positions = 64,
                                   .crop_tokens = crop_tokens}};
    const int32_t text = (length + split_keys - 1) / split_keys;
    const DeviceTable table{.view = {},
                            .extent = {.rows = work.rows,
                                       .wanted = 1,
                                       .tiles = (work.rows + tile_positions - 1) / tile_positions,
                                       .text_splits = text,
                                       .hyper_splits = text + work.crops}};
    const DeviceMatrix embedding({.type = DType::q8_0, .rows = shape.vocab_size, .cols = shape.hidden_size});
    get_rows(launcher, embedding, table, somewhere);
    rope_angles(launcher, {shape.heads, shape.kv_heads, shape.head_dim, 1e6f}, table, somewhere);
    for (int32_t i = 0; i < shape.layers; i++) {
      const bool hyper = i % 7 == 6, large = i % 2 == 0;  // q4_k_m gives half of the layers six bits
      multiply({{width}, {kv_width}, {kv_width, large}}, shape.hidden_size, ops::NormKind::rms, false, work.rows);
      rope_store(launcher, {.q = somewhere, .shape = {shape.heads, shape.kv_heads, shape.head_dim, 1e6f}}, table, kv,
                 somewhere);
      attention(
          launcher,
          {.heads = shape.heads, .kv_heads = shape.kv_heads, .head_dim = shape.head_dim, .hyper_layer = hyper ? 0 : -1},
          table, kv, somewhere, size_t{1} << 40);
      kv_bytes += 4.0 * kv_width * (length + (hyper ? crop_tokens * work.crops : 0));
      multiply({{shape.hidden_size}}, width, ops::NormKind::none, true, work.rows);
      multiply({{shape.intermediate_size, false, true}}, shape.hidden_size, ops::NormKind::rms, false, work.rows);
      multiply({{shape.hidden_size, large}}, shape.intermediate_size, ops::NormKind::none, true, work.rows);
    }
    select_rows(launcher, somewhere, shape.hidden_size, table, somewhere);
    multiply({{shape.vocab_size, true}}, shape.hidden_size, ops::NormKind::rms, false, 1);
    pick(launcher, somewhere, 1, shape.vocab_size, 40, somewhere, nullptr);
  }
  void print(bool first) const {
    std::printf("%s{\"model\":\"%s\",\"format\":\"%s\",\"work\":\"%s\",\"rows\":%d,", first ? "" : ",\n", shape.name,
                q4_k_m ? "q4_k_m" : "q8_0", work.name, work.rows);
    std::printf("\"device_bytes\":%llu,\"file_bytes\":%llu,\"kv_bytes\":%.0f,\"products\":{",
                static_cast<unsigned long long>(device_bytes), static_cast<unsigned long long>(file_bytes), kv_bytes);
    const char* comma = "";
    for (const auto& [format, count] : products) {
      std::printf("%s\"%s\":%.0f", comma, format.c_str(), count);
      comma = ",";
    }
    std::printf("},\"kernels\":{");
    comma = "";
    for (const auto& [name, c] : launcher.kernels) {
      std::printf("%s\"%s\":{\"threads\":%u,\"shared\":%u,\"count\":%d}", comma, name.c_str(), c.threads,
                  c.shared_bytes, c.count);
      comma = ",";
    }
    std::printf("}}");
  }

  const Shape& shape;
  const Work& work;
  bool q4_k_m;
  Counter launcher;
  uint64_t device_bytes = 0, file_bytes = 0;
  double kv_bytes = 0;
  std::map<std::string, double> products;  ///< multiply-adds by the format of the weight
  float* somewhere = reinterpret_cast<float*>(uintptr_t{1} << 20);
};

}  // namespace

int main() {
  bool first = true;
  std::printf("[");
  for (const Shape& shape : shapes)
    for (const bool q4_k_m : {true, false})
      for (const Work& work : works) {
        Pass pass(shape, work, q4_k_m);
        pass.run();
        pass.print(first);
        first = false;
      }
  std::printf("]\n");
}
