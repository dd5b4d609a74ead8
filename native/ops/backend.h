// The verbs the model is written in. A backend (CPU, CUDA) implements them; the model knows nothing else.
//
// Rules every backend keeps:
// - Pointers in parameters are memory of the backend (Backend::allocate) unless the comment says host.
// - A row's result depends on that row only: not on how many rows, sequences or threads take part. So prefill in
// chunks,
//   batched decode and any thread count give the same bits (on one backend and instruction set).
// - Nothing is allocated inside a verb once reserve() was called with large enough sizes.
// - Errors are thrown as owl3::Error; verbs never abort.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ops/tensor.h"

namespace owl3::ops {

/// How activations enter matrix products. `automatic`: int8 blocks where the weight is quantised, float where it is
/// F32, F16 or BF16. `fast`: also bfloat16 activations for those, or int16 blocks, where the machine is faster with
/// them. `exact`: float activations everywhere.
enum class Precision : uint8_t { automatic, fast, exact };

struct BackendOptions {
  int threads = 0;  ///< 0: one a physical core
  Precision precision = Precision::automatic;
};

enum class NormKind : uint8_t { none, rms, layer };
/// A normalisation of each row before a product. rms: w * x / sqrt(mean(x^2) + eps); layer: w * (x - mean) / sqrt(var +
/// eps) + b.
struct Norm {
  NormKind kind = NormKind::none;
  const float* weight = nullptr;  ///< [k]
  const float* bias = nullptr;    ///< [k], layer only
  float eps = 0;
};

enum class Activation : uint8_t { none, gelu_tanh, gelu_erf };

/// One product over the rows of a `linear` call: y = act(h w^T + bias) + residual, with h the (normalised) input rows;
/// with `gate`: y = silu(h gate^T) * (h w^T) (SwiGLU; neither product is stored).
struct LinearOutput {
  const Matrix* w = nullptr;     ///< [n, k]
  const Matrix* gate = nullptr;  ///< [n, k] or null
  const float* bias = nullptr;   ///< [n] or null
  Activation activation = Activation::none;
  const float* residual = nullptr;  ///< row r adds residual[(r % residual_rows) * ldy ...]; may be y itself
  int64_t residual_rows = 0;        ///< 0: one residual row a row
  float* y = nullptr;               ///< [rows, ldy], the first n of each row are written
  int64_t ldy = 0;
};

/// Several products that read the same rows once (Q, K and V; gate and up).
struct LinearParams {
  const float* x = nullptr;  ///< [rows, ldx], the first k of each row are read
  int64_t rows = 0;
  int64_t ldx = 0;
  Norm norm;
  std::span<const LinearOutput> outputs;
};

/// Full softmax attention inside each crop (SigLIP): out = softmax(q k^T / sqrt(head_dim)) v. q, k, v rows are `ld`
/// apart, head h at column h * head_dim.
struct VisionAttentionParams {
  const float* q = nullptr;  ///< [crops * tokens, ld]
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t ld = 0;
  float* out = nullptr;  ///< [crops * tokens, heads * head_dim]
  int64_t crops = 0;
  int64_t tokens = 0;
  int32_t heads = 0;
  int32_t head_dim = 0;
  bool exact =
      true;  ///< float accuracy (16 bits and more a product); false: bfloat16 products will do, for quantised weights
};

/// Where one row's key and value go: slot `slot` of `block`, the key rotated at `position`.
struct KvSlot {
  KvBlock block;
  int32_t slot = 0;
  int32_t position = 0;
};

/// NeoX RoPE (first half of a head with its second half) at each row's position, then keys and values stored. q (or
/// null) is rotated in place. Head h of row r is at k + r * ldk + h * k_head_stride (likewise v), so both [K heads | V
/// heads] and v_kv_proj's [K|V] per head can be read where they stand.
struct RopeStoreParams {
  float* q = nullptr;  ///< [rows, ldq], heads * head_dim of it
  int64_t ldq = 0;
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t ldk = 0;
  int64_t ldv = 0;
  int64_t k_head_stride = 0;
  int64_t v_head_stride = 0;
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  float rope_theta = 0;
  std::span<const KvSlot> slots;  ///< host; one a row
};

/// Consecutive rows of one sequence: row first_row + i stands at position first_position + i and sees `segments`
/// (host).
struct AttentionSequence {
  int64_t first_row = 0;
  int64_t rows = 0;
  int32_t first_position = 0;
  std::span<const KvSegment> segments;
};

/// Causal and hyper attention in one: a single softmax over all keys of the row's segments, in the order of the
/// segments (FlashAttention's online softmax, arXiv 2205.14135; mPLUG-Owl3's hyper attention, arXiv 2408.04840). No
/// mask and no repeated KV heads are stored; a crop that a query can't see is not read for it.
struct AttentionParams {
  const float* q = nullptr;  ///< [rows, ldq], rotated
  int64_t ldq = 0;
  float* out = nullptr;  ///< [rows, heads * head_dim]
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  std::span<const AttentionSequence> sequences;
};

/// uint8 RGB crops to rows of patches: y[(crop * side + py) * side + px] = ((x / 255) - mean[c]) / std[c] in the order
/// (channel, row, column) that a flattened Conv2d weight [out, 3, patch, patch] has.
struct PatchifyParams {
  const uint8_t* crops = nullptr;  ///< host, [n, size, size, 3]
  int64_t n = 0;
  int32_t size = 0;  ///< pixels a side, a multiple of patch
  int32_t patch = 0;
  float mean[3] = {};
  float std[3] = {};
  float* y = nullptr;  ///< [n * (size/patch)^2, 3 * patch * patch]
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const std::string& name() const = 0;  ///< "cpu (avx512)", "cuda"
  virtual int threads() const = 0;

  /// Uninitialised memory, 64-byte aligned; freed by the deleter. Error{out_of_memory}.
  using Buffer = std::shared_ptr<void>;
  virtual Buffer allocate(size_t bytes) = 0;
  virtual void copy_to_host(void* dst, const void* src, size_t bytes) = 0;
  virtual void copy_to_device(void* dst, const void* src, size_t bytes) = 0;
  /// Within the backend's memory, not overlapping (a forked sequence's page).
  virtual void copy(void* dst, const void* src, size_t bytes) = 0;

  /// Repacks a weight on all threads. `t.data` (host) may be released afterwards when reads_host() of the result is
  /// false.
  virtual std::unique_ptr<Matrix> load_matrix(const HostTensor& t) = 0;
  /// Whether a matrix made by this backend still reads the host memory it was loaded from.
  virtual bool reads_host(const Matrix& m) const = 0;

  /// Sizes inner scratch for `linear` of up to `rows` rows of up to `cols` inputs, and for attention of `rows` query
  /// rows.
  virtual void reserve(int64_t rows, int64_t cols) = 0;
  /// Bytes of inner scratch now.
  virtual size_t scratch_bytes() const = 0;

  /// y[i] = row ids[i] of w, as f32. ids (host) are in range: the caller checked.
  virtual void get_rows(const Matrix& w, std::span<const int32_t> ids, float* y) = 0;
  virtual void linear(const LinearParams& p) = 0;
  virtual void patchify(const PatchifyParams& p) = 0;
  virtual void vision_attention(const VisionAttentionParams& p) = 0;
  virtual void rope_store(const RopeStoreParams& p) = 0;
  virtual void attention(const AttentionParams& p) = 0;
};

/// The CPU backend with the best instruction set of this machine, or that named by OWL3_ISA (scalar, avx2, avx512,
/// avx512bf16, amx, neon). Error{unsupported} when that is not available here, Error{invalid_argument} when it is no
/// such name.
std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options);

}  // namespace owl3::ops
