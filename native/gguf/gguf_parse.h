// The parser of a GGUF file's header: metadata and tensor directory. Internal to this room.
#pragma once
#include "gguf/gguf.h"

namespace owl3::gguf {

class Parser {
 public:
  explicit Parser(File& file) : f_(file) {}
  /// Fills the file's metadata and tensors from its bytes.
  void parse();

 private:
  [[noreturn]] void bad(const std::string& what) const;
  uint64_t left() const { return f_.size_ - at_; }
  const char* take(uint64_t bytes, const char* what);
  template <class T>
  T read(const char* what);
  std::string read_string(uint64_t limit, const std::string& what);
  void read_header();
  void read_entry(uint64_t n);
  Value read_scalar(Kind kind, const std::string& key);
  Value read_array(Kind kind, uint64_t count, const std::string& key);
  void read_tensor(uint64_t n);
  void place_tensors();

  File& f_;
  uint64_t at_ = 0;
  uint64_t keys_ = 0;
  uint64_t tensors_ = 0;
};

}  // namespace owl3::gguf
