#include "cpu/backend.h"

#include <cstring>
#include <functional>

#include "cpu/attention/attention.h"
#include "cpu/attention/kv_store.h"
#include "cpu/gemm/gemm.h"
#include "cpu/gemm/pack.h"
#include "cpu/gemm/packed_copy.h"
#include "cpu/patchify/patchify.h"
#include "cpu/rope/rope.h"
#include "ops/machine.h"

namespace owl3::cpu {
namespace {

class CpuBackend final : public ops::Backend {
 public:
  CpuBackend(Isa isa, const ops::BackendOptions& options)
      : pool_(options.threads),
        workspace_(pool_.threads()),
        kernels_(kernels_of(isa)),
        context_{.pool = pool_, .workspace = workspace_, .kernels = kernels_, .precision = options.precision},
        name_(std::string("cpu (") + isa_name(isa) + ")") {}

  const std::string& name() const override { return name_; }
  int threads() const override { return pool_.threads(); }

  Buffer allocate(size_t bytes) override { return aligned_memory(bytes); }
  void copy_to_host(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }
  void copy_to_device(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override { return gemm::load_matrix(context_, t); }
  bool reads_host(const ops::Matrix&) const override { return false; }
  void begin_load(const ops::WeightsCopy& copy) override {
    copy_ = std::make_unique<gemm::PackedCopy>(copy, gemm::packing_fingerprint(kernels_.gemm.unsigned_q8, pool_),
                                               pool_.threads());
    context_.copy = copy_.get();
  }
  void end_load() override {
    if (copy_) copy_->finish();
  }
  uint64_t mapped_bytes() const override { return copy_ ? copy_->mapped_bytes() : 0; }
  void drop_pages(ops::MatrixUse use) override {
    if (copy_) copy_->drop_pages(use);
  }
  std::unique_ptr<ops::KvStore> make_kv_store(const ops::KvShape& shape) override {
    return std::make_unique<CpuKvStore>(shape);
  }

  void reserve(const ops::ScratchNeed& need) override { gemm::reserve(context_, need.rows, need.cols); }
  size_t scratch_bytes(std::span<const ops::ScratchNeed> needs) const override {
    return gemm::reserved_bytes(context_, needs);
  }

  // Every verb is done when it returns, so there is nothing to wait for or to record.
  Ticket submit() override { return 0; }
  void wait(Ticket) override {
    if (copy_) copy_->check_intact();
  }
  void begin(const ops::PassTable& table, ops::KvStore& store) override {
    lists_.begin(table, static_cast<const CpuKvStore&>(store));
  }
  void pass(const ops::PassKey&, const std::function<void()>& body) override { body(); }

  void get_rows(const ops::Matrix& w, float* y) override { gemm::get_rows(context_, w, lists_.ids(), y); }
  void rope_store(const ops::RopeStoreParams& p) override {
    RopeRows rows = rope_rows(p.shape, p.k, p.v, p.ld, p.shape.head_dim);
    rows.q = p.q;
    rows.ldq = p.ldq;
    rows.key_shift = p.key_shift;
    rows.slots = lists_.slots(p.layer);
    rope::run(kernels_.rope, rows, angles_, pool_);
  }
  void attention(const ops::AttentionParams& p) override {
    attention::attention(kernels_.attention,
                         {.q = p.q,
                          .ldq = p.ldq,
                          .out = p.out,
                          .heads = p.heads,
                          .kv_heads = p.kv_heads,
                          .head_dim = p.head_dim,
                          .sequences = lists_.sequences(p.layer, p.hyper_layer),
                          .gate = p.gate},
                         pool_, workspace_);
  }
  void select_rows(const float* x, int64_t cols, float* y) override {
    for (const int32_t row : lists_.wanted()) {
      copy(y, x + row * cols, static_cast<size_t>(cols) * sizeof(float));
      y += cols;
    }
  }

  void linear(const ops::LinearParams& p) override { gemm::linear(context_, p); }
  void patchify(const ops::PatchifyParams& p) override { cpu::patchify(context_, p); }
  void vision_attention(const ops::VisionAttentionParams& p) override {
    attention::vision_attention(kernels_.attention, p, context_.precision, pool_, workspace_);
  }
  void store_visual(const ops::StoreVisualParams& p) override {
    const auto& store = static_cast<const CpuKvStore&>(*p.store);
    const KvBlock block = store.crop(p.crop, p.hyper_layer);
    visual_slots_.clear();
    for (int32_t t = 0; t < store.shape().crop_tokens; t++) visual_slots_.push_back({block, t, p.position});
    const int64_t head = p.shape.head_dim;  // [K | V] of each head
    RopeRows rows = rope_rows(p.shape, p.kv, p.kv + head, 2 * head * p.shape.kv_heads, 2 * head);
    rows.key_shift = p.key_shift;
    rows.slots = visual_slots_;
    rope::run(kernels_.rope, rows, angles_, pool_);
  }
  void pick(const float* logits, int64_t n, int32_t k, std::span<ops::Picked> picked, int32_t*) override {
    const auto run = [&](int64_t pieces, FunctionRef<void(int64_t)> piece) {
      pool_.parallel_for(pieces, [&](int64_t i, int) { piece(i); });
    };
    for (ops::Picked& p : picked) {
      p = ops::pick_row(std::span(logits, static_cast<size_t>(n)), k, run);
      logits += n;
    }
  }

 private:
  /// Keys and values whose rows are `ld` apart and whose heads are `head_stride` apart.
  static RopeRows rope_rows(const ops::RopeShape& s, const float* k, const float* v, int64_t ld, int64_t head_stride) {
    return {.k = k,
            .v = v,
            .ldk = ld,
            .ldv = ld,
            .k_head_stride = head_stride,
            .v_head_stride = head_stride,
            .heads = s.heads,
            .kv_heads = s.kv_heads,
            .head_dim = s.head_dim,
            .rope_theta = s.theta};
  }
  static void copy(void* dst, const void* src, size_t bytes) {
    if (bytes > 0) std::memcpy(dst, src, bytes);
  }

  ThreadPool pool_;
  Workspace workspace_;
  Kernels kernels_;
  std::unique_ptr<gemm::PackedCopy> copy_;
  Context context_;
  rope::Angles angles_;
  LayerLists lists_;
  std::vector<KvSlot> visual_slots_;
  std::string name_;
};

}  // namespace

std::unique_ptr<ops::Backend> make_backend(const ops::BackendOptions& options, Isa isa) {
  if (!isa_available(isa)) throw Error(ErrorCode::unsupported, std::string("this machine can't run ") + isa_name(isa));
  return std::make_unique<CpuBackend>(isa, options);
}

ops::DeviceInfo device_info() {
  const ops::MachineInfo machine = ops::machine_info();
  return {.id = "cpu",
          .name = machine.isa + ", " + std::to_string(machine.physical_cores) + " cores",
          .total_memory = machine.total_memory};
}

}  // namespace owl3::cpu
