#include "convert/json_scanner.h"

#include <limits>

#include "base/error.h"

namespace owl3::convert {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 63));
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

}  // namespace

void JsonScanner::fail(const std::string& what) const {
  throw Error(ErrorCode::bad_model, where_ + what + " at byte " + std::to_string(at_) + " of the header");
}

void JsonScanner::skip_space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
    at_++;
}

bool JsonScanner::accept(char c) {
  skip_space();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  at_++;
  return true;
}

void JsonScanner::expect(char c) {
  if (!accept(c)) fail(std::string("\"") + c + "\" is missing");
}

void JsonScanner::end() {
  skip_space();
  if (at_ != text_.size()) fail("something follows the end");
}

int64_t JsonScanner::integer() {
  skip_space();
  const size_t start = at_;
  int64_t value = 0;
  for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; at_++) {
    const int digit = text_[at_] - '0';
    if (value > (std::numeric_limits<int64_t>::max() - digit) / 10) fail("a number is too large");
    value = value * 10 + digit;
  }
  if (at_ == start || (text_[start] == '0' && at_ - start > 1)) fail("a whole number is missing");
  return value;
}

uint32_t JsonScanner::hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++, at_++) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail("a \\u escape is not four hexadecimal digits");
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

std::string JsonScanner::string() {
  expect('"');
  std::string out;
  for (;;) {
    if (at_ >= text_.size()) fail("a string does not end");
    const char c = text_[at_++];
    if (c == '"') return out;
    if (static_cast<unsigned char>(c) < 0x20) fail("a control character is in a string");
    if (c != '\\') {
      out += c;
      continue;
    }
    const char escape = at_ < text_.size() ? text_[at_++] : '\0';
    switch (escape) {
      case '"':
      case '\\':
      case '/':
        out += escape;
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        uint32_t code = hex4();
        if (code >= 0xd800 && code < 0xdc00) {
          if (text_.substr(at_, 2) != "\\u") fail("half of a surrogate pair");
          at_ += 2;
          const uint32_t low = hex4();
          if (low < 0xdc00 || low > 0xdfff) fail("half of a surrogate pair");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code <= 0xdfff) {
          fail("half of a surrogate pair");
        }
        append_utf8(out, code);
        break;
      }
      default:
        fail("an unknown escape");
    }
  }
}

}  // namespace owl3::convert
