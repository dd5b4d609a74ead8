// Activations of one pass. One buffer a model, sized before work starts and laid out anew by each pass: passes of one
// model never overlap (Model::run_mutex), and nothing in it outlives a pass.
#pragma once
#include <cstdint>

#include "model/config.h"
#include "ops/backend.h"

namespace owl3::model {

/// Hands out 64-byte aligned pieces of a buffer; over a null base it only counts.
class Layout {
 public:
  explicit Layout(void* base) : base_(static_cast<char*>(base)) {}
  float* floats(int64_t n) {
    float* p = base_ == nullptr ? nullptr : reinterpret_cast<float*>(base_ + used_);
    used_ += (static_cast<size_t>(n) * sizeof(float) + 63) / 64 * 64;
    if (used_ > peak_) peak_ = used_;
    return p;
  }
  /// What follows may overlay what was handed out since `mark`.
  size_t mark() const { return used_; }
  void rewind(size_t mark) { used_ = mark; }
  size_t bytes() const { return peak_; }

 private:
  char* base_;
  size_t used_ = 0, peak_ = 0;
};

/// Of `rows` = crops * T rows of the vision tower.
struct VisionScratch {
  float* x;        // [rows, dv] the residual stream
  float* patches;  // [rows, 3 * P * P]; over qkv
  float* qkv;      // [rows, 3 * dv]
  float* attn;     // [rows, dv]
  float* h;        // [rows, mv]; over qkv and attn
  float* m;        // [rows, d] projector, between its layers; over qkv and attn
};

/// Of `rows` text positions, of any number of sequences.
struct LanguageScratch {
  float* x;       // [rows, d] the residual stream
  float* q;       // [rows, H * D]
  float* kv;      // [rows, G * D | G * D] keys, then values
  float* attn;    // [rows, H * D]
  float* h;       // [rows, m]; over q, kv and attn
  float* logits;  // [out_rows, V]; over q, kv and attn
  float* visual;  // [T, G * 2 * D] keys and values of one crop; over everything
};

/// Lays out a pass over `base`, or with null base only fills `bytes`.
VisionScratch vision_scratch(const Config& c, int64_t crops, void* base, size_t* bytes);
LanguageScratch language_scratch(const Config& c, int64_t rows, int64_t out_rows, void* base, size_t* bytes);

/// The buffer, grown when a pass needs more than any before it.
class Scratch {
 public:
  void reserve(ops::Backend& backend, size_t bytes) {
    if (bytes <= bytes_) return;
    memory_.reset();  // never both at once
    bytes_ = 0;
    memory_ = backend.allocate(bytes);
    bytes_ = bytes;
  }
  void* data() const { return memory_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  ops::Backend::Buffer memory_;
  size_t bytes_ = 0;
};

}  // namespace owl3::model
