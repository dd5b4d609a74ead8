// Writing GGUF version 3: the complete header first, then tensor data at known offsets in any order.
#pragma once
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "gguf/temp_file.h"

namespace owl3::gguf {

/// A metadata key to write. `value` must hold the variant that reading `type` gives (see Value);
/// Error{invalid_argument} when it does not, or when it does not fit the kind.
struct Entry {
  std::string key;
  Type type;
  Value value;
};

/// A tensor to write, shape in GGUF order.
struct TensorSpec {
  std::string name;
  DType type;
  std::vector<int64_t> shape;
};

class Writer {
 public:
  /// Lays the file out and creates its temporary file, empty: quick. Errors: invalid_argument (a name twice, a bad
  /// shape or value), io.
  Writer(const std::string& path, const std::vector<Entry>& entries, const std::vector<TensorSpec>& tensors);
  /// Claims the disk space and writes the header; comes before write(). Error: io.
  void begin();

  /// The size of tensor `index` in bytes.
  uint64_t bytes(size_t index) const { return places_[index].bytes; }
  uint64_t file_bytes() const { return end_; }
  /// Writes a part of a tensor; any number of threads may do so at once. Error: io.
  void write(size_t index, uint64_t offset, const void* data, uint64_t bytes);
  /// Flushes and renames into place; every byte of every tensor must have been written. Error: io.
  void finish() { file_.commit(); }
  /// Removes the temporary file. Destroying an unfinished writer does the same.
  void abort() { file_.discard(); }

  static constexpr uint64_t alignment = 32;

 private:
  struct Place {
    uint64_t offset, bytes;
  };
  std::vector<Place> places_;
  uint64_t end_ = 0;
  std::string header_;
  TempFile file_;
};

}  // namespace owl3::gguf
