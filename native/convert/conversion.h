// Writing a GGUF file tensor by tensor from tensors of other files: rows are read, padded with zeros, packed and written
// in pieces by all threads at once, so that memory stays small whatever the size of a tensor.
#pragma once
#include <atomic>
#include <map>
#include <memory>

#include "gguf/input.h"
#include "gguf/writer.h"

namespace owl3::convert {

/// The origin of a tensor's values. `shape` is in GGUF order.
struct TensorSource {
  std::string path;  ///< empty: the values are random and the same in every run (models for measurements)
  std::string name;  ///< the tensor's name in that file, for messages
  DType type;
  std::vector<int64_t> shape;
  uint64_t offset;  ///< from the start of the file
};

/// A tensor to write; where `spec.shape` is larger than the source's, rows and columns of zeros are added.
struct TensorPlan {
  gguf::TensorSpec spec;
  TensorSource source;
};

class Conversion {
 public:
  /// Creates the temporary file, still empty. `threads` 0 means one per core. Errors: invalid_argument, io, those of
  /// choose_isa().
  Conversion(const std::string& path, const std::vector<gguf::Entry>& entries, std::vector<TensorPlan> tensors,
             int threads);

  /// Writes the next tensor. Errors: not_found, unreadable, bad_model (a value that is NaN, infinite or too large for
  /// the format, or a source shorter than its shape), io, invalid_argument (nothing is left, or it was aborted).
  const TensorPlan& write_next();
  /// The number of tensors that are still to be written.
  size_t left() const { return tensors_.size() - next_; }
  uint64_t file_bytes() const { return writer_.file_bytes(); }
  /// Bytes of tensor data written so far; may be called at any time.
  uint64_t bytes_done() const { return done_; }
  /// Flushes and renames into place. Error: invalid_argument while tensors are left.
  void finish();
  /// Stops a running write_next() soon and removes the temporary file.
  void abort();

 private:
  struct Buffers;
  void convert_rows(const TensorPlan& t, const gguf::InputFile& in, int64_t first, int64_t rows, Buffers& b);
  void begin();
  const gguf::InputFile& input(const std::string& path);
  void write_random(const TensorPlan& t);

  std::vector<TensorPlan> tensors_;
  gguf::Writer writer_;
  std::map<std::string, std::unique_ptr<gguf::InputFile>> inputs_;
  int threads_;
  Isa isa_ = choose_isa();
  size_t next_ = 0;
  bool begun_ = false;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<bool> aborted_ = false;
};

}  // namespace owl3::convert
