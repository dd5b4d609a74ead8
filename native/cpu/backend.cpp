#include "cpu/backend.h"

#include <cstring>
#include <mutex>

#include "cpu/attention/attention.h"
#include "cpu/gemm/gemm.h"
#include "cpu/patchify/patchify.h"
#include "cpu/rope/rope.h"

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

  void copy(void* dst, const void* src, size_t bytes) override {
    if (bytes) std::memcpy(dst, src, bytes);
  }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override {
    const std::lock_guard lock(mutex_);
    return gemm::load_matrix(context_, t);
  }
  bool reads_host(const ops::Matrix&) const override { return false; }

  void reserve(int64_t rows, int64_t cols) override {
    const std::lock_guard lock(mutex_);
    gemm::reserve(context_, rows, cols);
  }
  size_t scratch_bytes() const override {
    const std::lock_guard lock(mutex_);
    return workspace_.bytes();
  }

  void get_rows(const ops::Matrix& w, std::span<const int32_t> ids, float* y) override {
    const std::lock_guard lock(mutex_);
    gemm::get_rows(context_, w, ids, y);
  }
  void linear(const ops::LinearParams& p) override {
    const std::lock_guard lock(mutex_);
    gemm::linear(context_, p);
  }
  void patchify(const ops::PatchifyParams& p) override {
    const std::lock_guard lock(mutex_);
    cpu::patchify(context_, p);
  }
  void vision_attention(const ops::VisionAttentionParams& p) override {
    const std::lock_guard lock(mutex_);
    attention::run_vision(kernels_.attention, p, context_.precision, pool_, workspace_);
  }
  void rope_store(const ops::RopeStoreParams& p) override {
    const std::lock_guard lock(mutex_);
    rope::run(kernels_.rope, p, angles_, pool_);
  }
  void attention(const ops::AttentionParams& p) override {
    const std::lock_guard lock(mutex_);
    attention::run_hyper(kernels_.attention, p, pool_, workspace_);
  }

 private:
  mutable std::mutex mutex_;  // several sessions may share a backend; their operations take turns
  ThreadPool pool_;
  Workspace workspace_;
  Kernels kernels_;
  Context context_;
  rope::Angles angles_;
  std::string name_;
};

}  // namespace

std::unique_ptr<ops::Backend> make_backend(const ops::BackendOptions& options, Isa isa) {
  return std::make_unique<CpuBackend>(isa, options);
}

}  // namespace owl3::cpu

std::unique_ptr<owl3::ops::Backend> owl3::ops::make_cpu_backend(const BackendOptions& options) {
  return cpu::make_backend(options);
}
