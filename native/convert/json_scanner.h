// A strict scanner for the little JSON that a safetensors header is made of: objects, strings, non-negative integers
// and arrays of them. It recurses nowhere.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace owl3::convert {

class JsonScanner {
 public:
  /// `where` starts the message of every Error{bad_model}, which goes on with the fault and its byte.
  JsonScanner(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  /// Skips white space and `c`; throws when another character comes next.
  void expect(char c);
  /// Skips white space, and `c` when it comes next; tells whether it did.
  bool accept(char c);
  /// Reads a string; its escapes become UTF-8.
  std::string string();
  /// Reads an integer in [0, 2^63).
  int64_t integer();
  /// Throws when anything but white space is left.
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
