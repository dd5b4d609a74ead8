// The verbs a model is written in. A backend (CPU, CUDA) implements them; the model knows nothing else.
//
// Rules every backend keeps:
// - Pointers in parameters are memory of the backend (Backend::allocate) unless the comment says host. Host memory that
//   is read is taken before the call returns; host memory that is written is valid after wait().
// - Verbs only enqueue: they run in the order of the calls, and nothing of a result may be relied on before wait() of a
//   later submit(). What goes wrong while they run comes out of wait(); arguments that can't be are thrown at once.
// - Verbs come from one thread at a time. allocate, read, the copies, submit and wait may be called from any thread, and so
//   may the calls of a KvStore that no pass is using.
// - A row's result depends on that row only: not on how many rows, sequences or threads take part. So prefill in chunks,
//   batched decode and any thread count give the same bits (on one backend and instruction set).
// - Nothing is allocated inside a verb once reserve() was called with large enough sizes.
// - Activations are float32 at the seam; a backend may round inside a verb.
// - Errors are thrown as owl3::Error; nothing aborts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/kv_store.h"
#include "ops/pick.h"
#include "ops/table.h"
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
  Norm norm = {};
  std::span<const LinearOutput> outputs = {};  ///< host
};

/// The accuracy that products need. `float32`: 16 bits of mantissa and more. `bfloat16`: 8 bits will do, because the
/// weights before it are coarser (quantised).
enum class Accuracy : uint8_t { float32, bfloat16 };

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
  Accuracy accuracy = Accuracy::float32;
};

/// The rotary embedding of the model: NeoX RoPE (arXiv 2104.09864; the first half of a head with its second half).
struct RopeShape {
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  float theta = 0;
};

/// Rotates q and k of the table's rows at their positions, q in place, and stores k and v of `layer` in the pages.
struct RopeStoreParams {
  float* q = nullptr;  ///< [rows, ldq], heads * head_dim of it
  int64_t ldq = 0;
  const float* k = nullptr;  ///< [rows, ld], head h at column h * head_dim
  const float* v = nullptr;
  int64_t ld = 0;
  RopeShape shape = {};
  const float* key_shift = nullptr;  ///< [kv_heads * head_dim], subtracted from the rotated keys; or null
  int32_t layer = 0;                 ///< its number in the store
};

/// Keys and values of one crop as v_kv_proj gives them, head h at columns h * 2 * head_dim ([K | V] per head): all keys
/// are rotated at `position` (MI-RoPE) and stored as crop `crop` of hyper layer `hyper_layer`.
struct StoreVisualParams {
  KvStore* store = nullptr;
  int32_t crop = 0;
  int32_t hyper_layer = 0;
  int32_t position = 0;
  const float* kv = nullptr;  ///< [crop_tokens, kv_heads * 2 * head_dim]
  RopeShape shape = {};
  const float* key_shift = nullptr;  ///< as in RopeStoreParams
};

/// Where the gate of a hyper layer comes from. `none`: it has none. `channel`: a constant for each value of a head.
/// `head`: computed from each head vector of the text.
enum class GateKind : uint8_t { none, channel, head };

/// A hyper layer with two softmaxes, over the text keys to c and over the visual keys to v, a head vector each (mPLUG-Owl3
/// before 241101): out = (1 - g) * c + g * v. A row that sees no crop has out = c.
///   channel: g = weight[head * head_dim ...], in [0, 1].
///   head:    g = sigmoid(c weight + bias), for every head alike; c is divided by its sum of weights already.
struct Gate {
  GateKind kind = GateKind::none;
  const float* weight = nullptr;  ///< channel: [heads * head_dim]; head: [head_dim inputs, head_dim outputs]
  const float* bias = nullptr;    ///< [head_dim], head only
};

/// Causal and hyper attention in one, over the table's rows: a single softmax over all keys that a row sees, crops in
/// sight first (`hyper_layer` >= 0), then text (FlashAttention's online softmax, arXiv 2205.14135; mPLUG-Owl3's hyper
/// attention, arXiv 2408.04840); with a gate two of them. No mask and no repeated KV heads are stored; a crop that no row
/// sees is not read.
struct AttentionParams {
  const float* q = nullptr;  ///< [rows, ldq], rotated
  int64_t ldq = 0;
  float* out = nullptr;  ///< [rows, heads * head_dim]
  int32_t heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t layer = 0;         ///< its number in the store
  int32_t hyper_layer = -1;  ///< its number in the store; -1: this layer sees no crops
  Gate gate = {};            ///< a hyper layer has it
};

/// uint8 RGB crops to rows of patches: y[(crop * side + py) * side + px] = ((x / 255) - mean[c]) / std[c] in the order
/// (channel, row, column) that a flattened Conv2d weight [out, 3, patch, patch] has; side = size / patch, rounded down.
/// Nobody reads what is left of the crop on the right and at the bottom.
struct PatchifyParams {
  const uint8_t* crops = nullptr;  ///< host, [n, size, size, 3]
  int64_t n = 0;
  int32_t size = 0;  ///< pixels a side
  int32_t patch = 0;
  float mean[3] = {};
  float std[3] = {};
  float* y = nullptr;  ///< [n * side^2, 3 * patch * patch]
};

/// Names a recorded pass. Passes of equal keys call the same verbs with the same arguments; only the table differs, and
/// the things that a backend knows itself (the store, the longest list of keys).
struct PassKey {
  int32_t first_layer = 0;
  int64_t rows = 0;
  int64_t wanted = 0;
  const void* scratch = nullptr;  ///< the buffer of activations
  bool operator==(const PassKey&) const = default;
};

/// Where a backend may keep a model's weights in its own form from one start to the next: files whose names begin with
/// `prefix`. `source` differs from that of every other model file.
struct WeightsCopy {
  std::string prefix;
  uint64_t source = 0;
};

/// The largest work that inner scratch must serve.
struct ScratchNeed {
  int64_t rows = 0;        ///< rows of `linear`, and query rows of `attention`
  int64_t cols = 0;        ///< inputs of a product
  int32_t heads = 0;       ///< query heads
  int32_t head_dim = 0;    ///< their size
  int64_t sequences = 0;   ///< sequences of a step of `attention`, a row each
  int64_t positions = 0;   ///< positions of each at most, with the new ones
  int64_t crops = 0;       ///< crops in the sight of each at most
  int32_t layers = 0;      ///< layers that a pass() runs
  uint64_t pixels = 0;     ///< bytes of crops of `patchify`
  int64_t picked = 0;      ///< rows of a `pick`
  int64_t vocab_size = 0;  ///< and their logits
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const std::string& name() const = 0;  ///< device() and what it is: "cpu (avx512)", "cuda:0 (NVIDIA H100)"
  /// Its device's name in options: "cpu", "cuda:0".
  std::string device() const { return name().substr(0, name().find(" (")); }
  virtual int threads() const = 0;  ///< CPU threads that it uses

  // Memory.

  /// Uninitialised memory, 64-byte aligned; the deleter frees it after the work that was enqueued before.
  /// Error{out_of_memory}.
  using Buffer = std::shared_ptr<void>;
  virtual Buffer allocate(size_t bytes) = 0;
  virtual void copy_to_host(void* dst, const void* src, size_t bytes) = 0;    ///< dst: host
  virtual void copy_to_device(void* dst, const void* src, size_t bytes) = 0;  ///< src: host
  /// Copies memory that was finished before a wait() to the host (dst), at once; only errors of its own come out.
  virtual void read(void* dst, const void* src, size_t bytes);
  /// Copies from another backend's memory, after what was enqueued there. Waits for it.
  virtual void copy_from(Backend& other, void* dst, const void* src, size_t bytes);

  /// Repacks a weight. `t.data` (host) may be released afterwards when reads_host() of the result is false. Without
  /// data the matrix has no values either, only its bytes, and counts for reserve(): that is how work is planned.
  virtual std::unique_ptr<Matrix> load_matrix(const HostTensor& t) = 0;
  /// Whether a matrix made by this backend still reads the host memory it was loaded from.
  virtual bool reads_host(const Matrix& m) const = 0;

  /// Matrices loaded from here to end_load() may come from the copy, or be kept in it; that changes no bit of them.
  /// They have their values after end_load(). By default no copy is made.
  virtual void begin_load(const WeightsCopy& /*copy*/) {}
  virtual void end_load() {}
  /// Bytes of matrices that are mapped from a copy: the system counts them as cache, not as the process's memory.
  virtual uint64_t mapped_bytes() const { return 0; }
  /// Tells that matrices of this use are not read for now. Pages of a copy that hold them leave the process's memory, and
  /// come back when they are read again.
  virtual void drop_pages(MatrixUse /*use*/) {}

  virtual std::unique_ptr<KvStore> make_kv_store(const KvShape& shape) = 0;

  /// Bytes of its device's memory that allocate(bytes) takes.
  virtual size_t allocation_bytes(size_t bytes) const { return bytes; }
  /// Bytes of its device's memory that a store of so many pages and crops takes.
  virtual uint64_t kv_bytes(const KvShape& shape, int64_t pages, int64_t crops) const;
  /// Bytes of its device's memory that are free now; 0: not known, as for the CPU, whose memory the caller knows better.
  virtual uint64_t free_memory() const { return 0; }

  /// Sizes inner scratch for this work with the matrices loaded so far.
  virtual void reserve(const ScratchNeed& need) = 0;
  /// Bytes of inner scratch after reserve() of all of these, with the matrices loaded so far.
  virtual size_t scratch_bytes(std::span<const ScratchNeed> needs) const = 0;
  /// Bytes of these that it has taken of its device's memory already; any thread may ask. 0 where the system counts memory
  /// only once it is used, as on the CPU.
  virtual size_t held_scratch_bytes(std::span<const ScratchNeed> /*needs*/) const { return 0; }

  // Order.

  /// Everything enqueued so far; a later ticket is larger.
  using Ticket = uint64_t;
  virtual Ticket submit() = 0;
  /// Returns when all of it is done. Throws what went wrong since the last wait; a device that is lost stays so.
  virtual void wait(Ticket ticket) = 0;

  /// Takes the table (host) for the verbs of the pass that follows, and the store they read and write.
  virtual void begin(const PassTable& table, KvStore& store) = 0;
  /// Whether a pass can be enqueued before the one before it is done, with the ids that this one picks (take_ids).
  virtual bool runs_ahead() const { return false; }
  /// The pass that was begun reads these ids [rows] instead of its table's. Only where runs_ahead().
  virtual void take_ids(const int32_t* ids);
  /// Runs the verbs that `body` calls. A backend may keep them under `key` and replay them the next time instead of
  /// calling `body`.
  virtual void pass(const PassKey& key, const std::function<void()>& body) = 0;

  // Verbs of a pass, over the rows of its table.

  /// y[i] = row ids[i] of w, as f32.
  virtual void get_rows(const Matrix& w, float* y) = 0;
  virtual void rope_store(const RopeStoreParams& p) = 0;
  virtual void attention(const AttentionParams& p) = 0;
  /// y[i] = row wanted[i] of x [rows, cols].
  virtual void select_rows(const float* x, int64_t cols, float* y) = 0;

  // Verbs of any time.

  virtual void linear(const LinearParams& p) = 0;
  virtual void patchify(const PatchifyParams& p) = 0;
  virtual void vision_attention(const VisionAttentionParams& p) = 0;
  virtual void store_visual(const StoreVisualParams& p) = 0;
  /// Picks the k largest of each row of logits [picked.size(), n]; `picked` (host) is valid after wait(). `first`
  /// receives the largest one's id of each row, for take_ids(); null: nobody wants them, as always where runs_ahead() is
  /// false. The default copies the rows to the host and picks there, waiting for them.
  virtual void pick(const float* logits, int64_t n, int32_t k, std::span<Picked> picked, int32_t* first);
};

}  // namespace owl3::ops
