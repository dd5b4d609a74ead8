// GGUF files: metadata keys and a directory of tensors over a read-only mapping. Everything in the file is hostile
// until checked: lengths and counts are capped and compared with the bytes left before anything is allocated.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "gguf/quant.h"

namespace owl3::gguf {

/// A metadata value. Integer kinds are widened to 64 bits, floats to double; arrays are homogeneous.
using Value = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                           std::vector<uint64_t>, std::vector<double>, std::vector<std::string>>;

struct Tensor {
  std::string name;
  DType type;
  std::vector<int64_t> shape;  ///< GGUF order: shape[0] is the length of a row (the fastest dimension)
  uint64_t offset;             ///< from the start of the file
  uint64_t bytes;
  int64_t cols() const { return shape.empty() ? 1 : shape[0]; }
  int64_t rows() const {
    int64_t n = 1;
    for (size_t i = 1; i < shape.size(); i++) n *= shape[i];
    return n;
  }
};

/// GGML's numbers for the kinds of metadata values.
enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
const char* kind_name(Kind kind);  ///< for example "u32"

/// How a metadata value is stored in the file (Value holds it widened).
struct Type {
  Kind kind;  ///< the kind of the value, or of the array's elements; never `array`
  bool array = false;
};

class File {
 public:
  /// Maps and checks a file. Errors: not_found, unreadable, and bad_model, which names the file, the key or tensor, and
  /// the expected value (also for big-endian files, other versions and types that are not read).
  static std::shared_ptr<const File> open(const std::string& path);
  /// Checks bytes that the caller keeps alive in the same way; `name` stands for the path.
  static std::shared_ptr<const File> from_memory(const std::string& name, std::span<const char> bytes);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Error{unreadable} when the file was cut short, or could not be read, since it was opened: what data() gave are
  /// zeros then. Called after values were used.
  void check_intact() const;

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return size_; }
  uint32_t version() const { return version_; }
  const std::vector<std::pair<std::string, Value>>& metadata() const { return metadata_; }
  /// How each of metadata() is stored, in the same order.
  const std::vector<Type>& metadata_types() const { return types_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

  /// A hash of all that comes before the tensors' values, and of the file's size.
  uint64_t header_hash() const;
  /// The tensor, or nullptr.
  const Tensor* find(std::string_view name) const;
  /// The tensor's bytes in the mapping (valid as long as this object).
  const void* data(const Tensor& t) const { return base_ + t.offset; }
  /// Tells the system that these pages are no longer needed (after a backend has repacked them).
  void release(const Tensor& t) const;
  /// The same of all pages: reading a tensor brings some of its neighbours along.
  void release() const;

  bool has(std::string_view key) const { return value(key) != nullptr; }
  /// The value of a key, or nullptr.
  const Value* value(std::string_view key) const;
  /// An integer key in [lo, hi], or Error{bad_model} naming file and key.
  int64_t integer(std::string_view key, int64_t lo, int64_t hi) const;
  /// A finite float key in [lo, hi].
  double number(std::string_view key, double lo, double hi) const;
  const std::string& string(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;
  /// An array of integers, each in [lo, hi].
  std::vector<int64_t> integers(std::string_view key, int64_t lo, int64_t hi) const;
  std::vector<double> numbers(std::string_view key, double lo, double hi) const;

 private:
  friend class Parser;
  File() = default;
  const Value& required(std::string_view key, const char* expected) const;
  [[noreturn]] void wrong(std::string_view key, const std::string& expected, const std::string& found) const;
  std::string path_;
  const char* base_ = nullptr;
  bool mapped_ = false;
  uint64_t size_ = 0;
  uint32_t version_ = 0;
  std::vector<std::pair<std::string, Value>> metadata_;
  std::vector<Type> types_;
  std::unordered_map<std::string, size_t> key_index_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string, size_t> tensor_index_;
};

}  // namespace owl3::gguf
