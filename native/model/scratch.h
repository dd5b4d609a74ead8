// Activations of one pass. One buffer a stage, sized before work starts and laid out anew by each pass: passes of one
// model never overlap (Model::run_mutex), and nothing in it outlives a pass.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "model/config.h"
#include "ops/backend.h"

namespace owl3::model {

/// A bump allocator: hands out 64-byte aligned pieces of a buffer; over a null base it only counts.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<char*>(base)) {}
  float* floats(int64_t n) {
    float* p = base_ == nullptr ? nullptr : reinterpret_cast<float*>(base_ + used_);
    used_ += (static_cast<size_t>(n) * sizeof(float) + 63) / 64 * 64;
    if (used_ > peak_) peak_ = used_;
    return p;
  }
  /// Pieces handed out after rewind(mark) overlay those handed out since mark().
  size_t mark() const { return used_; }
  void rewind(size_t mark) { used_ = mark; }
  size_t bytes() const { return peak_; }

 private:
  char* base_;
  size_t used_ = 0, peak_ = 0;
};

/// Activations of the vision tower over rows = crops * T rows.
struct VisionScratch {
  float* x;        // [rows, dv] the residual stream
  float* patches;  // [rows, 3 * P * P]; over qkv
  float* qkv;      // [rows, 3 * dv]
  float* attn;     // [rows, dv]
  float* h;        // [rows, mv]; over qkv and attn
  float* m;        // [rows, d] projector, between its layers; over qkv and attn
};

/// Activations of the language model over the rows of a pass.
struct LanguageScratch {
  float* x;       // [rows, d] the residual stream
  float* q;       // [rows, H * D]
  float* kv;      // [rows, G * D | G * D] keys, then values
  float* attn;    // [rows, H * D]
  float* h;       // [rows, m]; over q, kv and attn
  float* out;     // [out_rows, d] rows whose logits are wanted; over q, kv and attn
  float* logits;  // [out_rows, V]; behind out
  float* visual;  // [T, G * 2 * D] keys and values of one crop; over everything
  float* embeds;  // [T, d] image_embeds of one crop where they come from another backend; behind visual
};

/// Lays out a pass over `base`, or with null base only fills `bytes`.
VisionScratch vision_scratch(const Config& c, int64_t crops, void* base, size_t* bytes);
LanguageScratch language_scratch(const Config& c, int64_t rows, int64_t out_rows, void* base, size_t* bytes);

/// The buffer, grown when a pass needs more than any before it.
class ActivationBuffer {
 public:
  void reserve(ops::Backend& backend, size_t bytes) {
    if (bytes <= *bytes_) return;
    memory_.reset();  // never both at once
    *bytes_ = 0;
    memory_ = backend.allocate(bytes);
    *bytes_ = bytes;
  }
  void* data() const { return memory_.get(); }
  /// Any thread may ask.
  size_t bytes() const { return *bytes_; }

 private:
  ops::Backend::Buffer memory_;
  std::unique_ptr<std::atomic<size_t>> bytes_ = std::make_unique<std::atomic<size_t>>(0);
};

}  // namespace owl3::model
