// A strict scanner for the little JSON that a safetensors header is made of: objects, strings, non-negative integers
// and arrays of them. It recurses nowhere.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace owl3::convert {

class JsonScanner {
 public:
  /// `where` starts every message: Error{bad_model, where + what was wrong at which byte}.
  JsonScanner(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  /// Takes `c` (after white space), or throws.
  void expect(char c);
  /// Takes `c` when it comes next.
  bool accept(char c);
  /// A string with its escapes resolved to UTF-8.
  std::string string();
  /// An integer in [0, 2^63).
  int64_t integer();
  /// Nothing but white space may be left.
  void end();
  [[noreturn]] void fail(const std::string& what) const;

 private:
  void skip_space();
  uint32_t hex4();
  std::string_view text_;
  std::string where_;
  size_t at_ = 0;
};

}  // namespace owl3::convert
