#include "cuda/backend.h"

#include <algorithm>
#include <atomic>

#include "cuda/kv_store.h"
#include "cuda/verbs/attention.h"
#include "cuda/verbs/linear.h"
#include "cuda/verbs/pick.h"
#include "cuda/verbs/rows.h"
#include "cuda/verbs/vision.h"

namespace owl3::cuda {
namespace {

/// Room for the tables of usual passes; larger ones make it grow.
constexpr TableLimits usual_table{.rows = 1024, .sequences = 128, .pages = 4096, .crops = 2048, .wanted = 1024};
/// Passes of more rows have kernels that take longer than launching them, so they are not recorded.
constexpr int64_t max_recorded_rows = 64;
/// Bytes of a tensor that are copied and repacked at a time.
constexpr size_t load_chunk = size_t{4} << 20;

/// Cosines and sines of so many rows.
size_t angles_bytes(int64_t rows, int32_t head_dim) {
  return static_cast<size_t>(rows) * static_cast<size_t>(head_dim) * sizeof(float);
}

struct LoadedMatrix : DeviceMatrix {
  using DeviceMatrix::DeviceMatrix;
  ops::Backend::Buffer memory;
};

TableLimits larger(const TableLimits& a, const TableLimits& b) {
  const auto grown = [](int32_t had, int32_t wanted) { return wanted > had ? wanted + wanted / 2 : had; };
  return {.rows = grown(a.rows, b.rows),
          .sequences = grown(a.sequences, b.sequences),
          .pages = grown(a.pages, b.pages),
          .crops = grown(a.crops, b.crops),
          .wanted = grown(a.wanted, b.wanted)};
}

class CudaBackend final : public ops::Backend {
 public:
  CudaBackend(std::shared_ptr<Core> core, const ops::BackendOptions& options)
      : core_(std::move(core)),
        queue_(core_->queue),
        precision_(options.precision),
        name_(core_->device.title()),
        table_{core_->allocate(table_bytes(usual_table)), table_bytes(usual_table)} {}
  ~CudaBackend() override {
    core_->graphs.clear();
    core_->retire(scratch_.at);
    core_->retire(table_.at);
    core_->retire(angles_.at);
  }

  const std::string& name() const override { return name_; }
  int threads() const override { return 1; }

  // Memory.

  Buffer allocate(size_t bytes) override {
    return {core_->allocate(bytes), [core = core_](void* memory) { core->retire(static_cast<char*>(memory)); }};
  }
  size_t allocation_bytes(size_t bytes) const override { return Heap::rounded(bytes); }
  uint64_t free_memory() const override { return core_->device.memory().free; }

  void copy_to_host(void* dst, const void* src, size_t bytes) override {
    core_->download(src, bytes, [dst, bytes](const char* host) { std::copy_n(host, bytes, static_cast<char*>(dst)); });
  }
  void copy_to_device(void* dst, const void* src, size_t bytes) override { core_->upload(dst, src, bytes); }
  void read(void* dst, const void* src, size_t bytes) override { core_->read(dst, src, bytes); }
  void copy_from(Backend& other, void* dst, const void* src, size_t bytes) override {
    other.wait(other.submit());
    if (auto* device = dynamic_cast<CudaBackend*>(&other); device != nullptr) {
      const driver::Api& api = core_->device.use();
      core_->device.check(api.copy_peer(driver::address_of(dst), core_->device.context(), driver::address_of(src),
                                        device->core_->device.context(), bytes, queue_.stream()),
                          "memory can't be copied from another device");
      queue_.drain();  // the other device may use the memory again
      return;
    }
    core_->upload(dst, bytes, [&](char* host) {
      other.copy_to_host(host, src, bytes);
      other.wait(other.submit());
    });
  }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
    auto m = std::make_unique<LoadedMatrix>(t);
    const size_t row = gguf::row_bytes(t.type, t.cols), strip = row * repack_rows;
    const int64_t rows =
        std::min<int64_t>(t.rows, std::max<int64_t>(1, static_cast<int64_t>(load_chunk / strip)) * repack_rows);
    forms_ |= forms_bit(form_of(*m, precision_));
    load_bytes_ = std::max(load_bytes_, static_cast<size_t>(rows) * row);
    const size_t bytes = m->bytes;
    m->bytes = Heap::rounded(bytes);
    if (t.data == nullptr) return m;
    m->memory = allocate(bytes);
    m->packed.data = static_cast<const uint8_t*>(m->memory.get());
    grow_scratch(load_bytes_);
    for (int64_t first = 0; first < t.rows; first += rows) {
      const int64_t some = std::min(rows, t.rows - first);
      core_->upload(scratch_.at, static_cast<const char*>(t.data) + static_cast<size_t>(first) * row,
                    static_cast<size_t>(some) * row);
      repack(queue_, *m, scratch_.at, first, some);
    }
    return m;
  }
  bool reads_host(const ops::Matrix&) const override { return false; }

  std::unique_ptr<ops::KvStore> make_kv_store(const ops::KvShape& shape) override {
    return std::make_unique<CudaKvStore>(core_, shape);
  }
  uint64_t kv_bytes(const ops::KvShape& shape, int64_t pages, int64_t crops) const override {
    return CudaKvStore::bytes(shape, pages, crops);
  }

  void reserve(const ops::ScratchNeed& need) override {
    core_->graphs.reserve(need.layers);
    grow(angles_, angles_bytes(need.rows, need.head_dim));
    const size_t bytes = bytes_for(need), wanted = std::max(bytes, shared_out_for(need));
    if (wanted < too_much_) try {
        return grow_scratch(wanted);
      } catch (const Error& e) {
        if (e.code != ErrorCode::out_of_memory || wanted == bytes) throw;
        too_much_ = wanted;  // several answers that were planned for alone: fewer blocks share their steps
      }
    grow_scratch(bytes);
  }
  size_t scratch_bytes(std::span<const ops::ScratchNeed> needs) const override {
    const Parts p = parts_of(needs);
    return Heap::rounded(p.scratch) + Heap::rounded(p.angles) + Heap::rounded(p.table) + p.graphs + Heap::slack;
  }
  size_t held_scratch_bytes(std::span<const ops::ScratchNeed> needs) const override {
    const Parts p = parts_of(needs);
    const auto held = [](size_t planned, const Region& region) {
      const size_t bytes = std::min<size_t>(planned, region.bytes);
      return bytes == 0 ? 0 : Heap::rounded(bytes);
    };
    return held(p.scratch, scratch_) + held(p.angles, angles_) + held(p.table, table_) +
           std::min(p.graphs, core_->graphs.held_bytes());
  }

  // Order.

  Ticket submit() override { return queue_.submit(); }
  void wait(Ticket ticket) override { queue_.wait(ticket); }

  void begin(const ops::PassTable& table, ops::KvStore& store) override {
    store_ = static_cast<CudaKvStore*>(&store);
    kv_ = store_->addresses();
    const TableLimits wanted = limits_of(table);
    if (!covers(limits_, wanted)) grow_table(larger(limits_, wanted));
    PassExtent extent;
    core_->upload(table_.at, table_bytes(limits_), [&](char* host) { extent = write_table(table, limits_, host); });
    current_ = {.view = table_view(limits_, table_.at), .extent = extent};
    grow(angles_, angles_bytes(table.rows(), kv_.shape.head_dim));
    has_angles_ = false;
  }
  bool runs_ahead() const override { return true; }
  void take_ids(const int32_t* ids) override { cuda::take_ids(queue_, ids, current_); }
  void pass(const ops::PassKey& key, const std::function<void()>& body) override {
    if (key.rows > max_recorded_rows) return body();
    current_.extent = widened(current_.extent);
    core_->graphs.run({.pass = key, .store = store_->number(), .extent = current_.extent}, body);
  }

  // Verbs.

  void get_rows(const ops::Matrix& w, float* y) override {
    cuda::get_rows(queue_, static_cast<const DeviceMatrix&>(w), current_, y);
  }
  void rope_store(const ops::RopeStoreParams& p) override {
    auto* angles = reinterpret_cast<float*>(angles_.at);
    if (!has_angles_) cuda::rope_angles(queue_, p.shape, current_, angles);
    has_angles_ = true;  // the layers of a pass have one shape
    cuda::rope_store(queue_, p, current_, kv_, angles);
  }
  void attention(const ops::AttentionParams& p) override {
    grow_scratch(attention_scratch_bytes(current_.extent.rows, p.heads, p.head_dim));
    cuda::attention(queue_, p, current_, kv_, scratch_.at, scratch_.bytes);
  }
  void select_rows(const float* x, int64_t cols, float* y) override { cuda::select_rows(queue_, x, cols, current_, y); }
  void linear(const ops::LinearParams& p) override {
    grow_scratch(linear_scratch_bytes(forms_, p.rows, p.outputs.front().w->cols));
    cuda::linear(queue_, p, precision_, scratch_.at);
  }
  void patchify(const ops::PatchifyParams& p) override {
    const auto bytes = static_cast<size_t>(p.n * p.size * p.size * 3);
    grow_scratch(bytes);
    core_->upload(scratch_.at, p.crops, bytes);
    ops::PatchifyParams on_device = p;
    on_device.crops = reinterpret_cast<const uint8_t*>(scratch_.at);
    cuda::patchify(queue_, on_device);
  }
  void vision_attention(const ops::VisionAttentionParams& p) override { cuda::vision_attention(queue_, p, precision_); }
  void store_visual(const ops::StoreVisualParams& p) override {
    grow_scratch(angles_bytes(1, p.shape.head_dim));
    cuda::store_visual(queue_, p, static_cast<CudaKvStore*>(p.store)->addresses(),
                       reinterpret_cast<float*>(scratch_.at));
  }
  void pick(const float* logits, int64_t n, int32_t k, std::span<ops::Picked> picked, int32_t* first) override {
    const int32_t some = static_cast<int32_t>(std::min<int64_t>(k, n));
    if (some < 1 || some > max_pick) return Backend::pick(logits, n, k, picked, first);
    const auto rows = static_cast<int64_t>(picked.size());
    grow_scratch(pick_bytes(rows, n, some));
    cuda::pick(queue_, logits, rows, n, some, scratch_.at, first);
    core_->download(scratch_.at, picked_bytes(rows, n, some),
                    [n, some, picked](const char* host) { read_picked(host, n, some, picked); });
  }

 private:
  size_t bytes_for(const ops::ScratchNeed& need) const {
    size_t bytes = std::max(linear_scratch_bytes(forms_, need.rows, need.cols), static_cast<size_t>(need.pixels));
    if (need.heads > 0) bytes = std::max(bytes, attention_scratch_bytes(need.rows, need.heads, need.head_dim));
    if (need.picked > 0) {
      const auto k = static_cast<int32_t>(std::min<int64_t>(max_pick, need.vocab_size));
      bytes = std::max(bytes, pick_bytes(need.picked, need.vocab_size, k));
    }
    return bytes;
  }

  /// And for steps whose keys are shared out.
  static size_t shared_out_for(const ops::ScratchNeed& need) {
    if (need.heads == 0) return 0;
    return shared_out_bytes(need.sequences, need.positions, need.crops, need.heads, need.head_dim);
  }

  /// Memory that grows to the most that was asked for.
  struct Region {
    char* at = nullptr;
    std::atomic<size_t> bytes = 0;  ///< any thread may ask
  };

  /// The parts of scratch_bytes(), in bytes.
  struct Parts {
    size_t scratch, angles, table, graphs;
  };
  Parts parts_of(std::span<const ops::ScratchNeed> needs) const {
    size_t scratch = load_bytes_, angles = 0;
    int32_t layers = 0;
    for (const ops::ScratchNeed& need : needs) {
      scratch = std::max({scratch, bytes_for(need), shared_out_for(need)});
      angles = std::max(angles, angles_bytes(need.rows, need.head_dim));
      layers = std::max(layers, need.layers);
    }
    return {scratch, angles, table_bytes(usual_table), Graphs::bytes(layers)};
  }
  void grow(Region& region, size_t bytes) {
    if (bytes <= region.bytes) return;
    if (queue_.recording()) throw Error(ErrorCode::internal, "a recorded pass needs more scratch than was reserved");
    replace(region, bytes);
  }
  /// All verbs share the scratch: each is done with it when the next one begins.
  void grow_scratch(size_t bytes) { grow(scratch_, bytes); }
  void grow_table(const TableLimits& limits) {
    limits_ = {};  // should there be no memory, the next pass tries again
    replace(table_, table_bytes(limits));
    limits_ = limits;
  }
  /// Recordings hold the address.
  void replace(Region& region, size_t bytes) {
    core_->graphs.clear();
    core_->retire(region.at);
    region.at = nullptr;
    region.bytes = 0;
    region.at = core_->allocate(bytes);
    region.bytes = bytes;
  }

  std::shared_ptr<Core> core_;
  Queue& queue_;
  ops::Precision precision_;
  std::string name_;
  Forms forms_ = 0;        // of the matrices that were loaded
  size_t load_bytes_ = 0;  // the most of a tensor that was repacked at a time
  Region scratch_;
  size_t too_much_ = ~size_t{0};  // scratch that found no memory
  TableLimits limits_ = usual_table;
  Region table_;
  Region angles_;  // of the pass's rows

  // The pass that was begun.
  CudaKvStore* store_ = nullptr;
  KvAddresses kv_;
  DeviceTable current_;
  bool has_angles_ = false;
};

}  // namespace

std::unique_ptr<ops::Backend> make_backend(std::shared_ptr<const driver::Driver> driver,
                                           const driver::DeviceFacts& facts, const std::string& id, const void* image,
                                           const ops::BackendOptions& options) {
  return std::make_unique<CudaBackend>(std::make_shared<Core>(std::move(driver), facts, id, image), options);
}

}  // namespace owl3::cuda
