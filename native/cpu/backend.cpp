#include "ops/backend.h"

#include <cstring>
#include <mutex>

#include "cpu/attention.h"
#include "cpu/ops.h"
#include "cpu/rope.h"

namespace owl3 {
namespace {

class CpuBackend final : public ops::Backend {
 public:
  CpuBackend(Isa isa, const ops::BackendOptions& options)
      : pool_(options.threads),
        scratch_(pool_.threads()),
        context_{pool_, scratch_, isa, options.precision},
        attention_(attention::kernels(isa)),
        rope_(rope::kernels(isa)),
        name_(std::string("cpu (") + isa_name(isa) + ")") {}

  const std::string& name() const override { return name_; }
  int threads() const override { return pool_.threads(); }

  Buffer allocate(size_t bytes) override { return aligned_memory(bytes); }
  void copy_to_host(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }
  void copy_to_device(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }

  void copy(void* dst, const void* src, size_t bytes) override {
    if (bytes) std::memcpy(dst, src, bytes);
  }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
    const std::lock_guard lock(mutex_);
    return cpu::load_matrix(context_, t);
  }
  bool reads_host(const ops::Matrix&) const override { return false; }

  void reserve(int64_t rows, int64_t cols) override {
    const std::lock_guard lock(mutex_);
    cpu::reserve_linear(context_, rows, cols);
  }
  size_t scratch_bytes() const override {
    const std::lock_guard lock(mutex_);
    return scratch_.bytes();
  }

  void get_rows(const ops::Matrix& w, std::span<const int32_t> ids, float* y) override {
    const std::lock_guard lock(mutex_);
    cpu::get_rows(context_, w, ids, y);
  }
  void linear(const ops::LinearParams& p) override {
    const std::lock_guard lock(mutex_);
    cpu::linear(context_, p);
  }
  void patchify(const ops::PatchifyParams& p) override {
    const std::lock_guard lock(mutex_);
    cpu::patchify(context_, p);
  }
  void vision_attention(const ops::VisionAttentionParams& p) override {
    const std::lock_guard lock(mutex_);
    attention::run_vision(attention_, p, context_.precision, pool_, scratch_);
  }
  void rope_store(const ops::RopeStoreParams& p) override {
    const std::lock_guard lock(mutex_);
    rope::run(rope_, p, angles_, pool_);
  }
  void attention(const ops::AttentionParams& p) override {
    const std::lock_guard lock(mutex_);
    attention::run_hyper(attention_, p, pool_, scratch_);
  }

 private:
  mutable std::mutex mutex_;  // several sessions may share a backend; their operations take turns
  ThreadPool pool_;
  Scratch scratch_;
  cpu::Context context_;
  const attention::Kernels& attention_;
  const rope::Kernels& rope_;
  rope::Angles angles_;
  std::string name_;
};

}  // namespace

std::unique_ptr<ops::Backend> ops::make_cpu_backend(const ops::BackendOptions& options) {
  return std::make_unique<CpuBackend>(choose_isa(), options);
}

}  // namespace owl3
