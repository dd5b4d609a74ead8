// Opening GGUF files, and typed access to their keys. Parsing is in gguf_parse.cpp.
#include "gguf/gguf.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/hash.h"
#include "gguf/gguf_parse.h"
#include "gguf/input.h"

namespace owl3::gguf {
namespace {

/// Describes a value for messages.
std::string describe(const Value& v) {
  if (const auto* i = std::get_if<int64_t>(&v)) return std::to_string(*i);
  if (const auto* u = std::get_if<uint64_t>(&v)) return std::to_string(*u);
  if (const auto* d = std::get_if<double>(&v)) return std::to_string(*d);
  if (const auto* b = std::get_if<bool>(&v)) return *b ? "true" : "false";
  return std::holds_alternative<std::string>(v) ? "a string" : "an array";
}

std::string range(int64_t lo, int64_t hi) {
  return "in " + std::to_string(lo) + ".." + std::to_string(hi);
}

}  // namespace

std::shared_ptr<const File> File::open(const std::string& path) {
  std::shared_ptr<File> f(new File);  // it unmaps the file, so it is there before the mapping
  f->path_ = path;
  const Mapping m = map_file(path);
  f->base_ = m.base;
  f->size_ = m.size;
  f->mapped_ = true;
  Parser(*f).parse();
  f->check_intact();
  return f;
}

std::shared_ptr<const File> File::from_memory(const std::string& name, std::span<const char> bytes) {
  std::shared_ptr<File> f(new File);
  f->path_ = name;
  f->base_ = bytes.data();
  f->size_ = bytes.size();
  Parser(*f).parse();
  return f;
}

File::~File() {
  if (mapped_) unmap({base_, size_});
}

void File::check_intact() const {
  if (mapped_) gguf::check_intact({base_, size_}, path_);
}

const Tensor* File::find(std::string_view name) const {
  const auto it = tensor_index_.find(std::string(name));
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

uint64_t File::header_hash() const {
  uint64_t end = size_;
  for (const Tensor& t : tensors_) end = std::min(end, t.offset);
  return hash64(base_, end, size_);
}

void File::release(const Tensor& t) const {
  if (mapped_) drop_pages(base_, t.offset, t.bytes);
}

void File::release() const {
  if (mapped_) drop_pages(base_, 0, size_);
}

const Value* File::value(std::string_view key) const {
  const auto it = key_index_.find(std::string(key));
  return it == key_index_.end() ? nullptr : &metadata_[it->second].second;
}

const Value& File::required(std::string_view key, const char* expected) const {
  const Value* v = value(key);
  if (!v) throw Error(ErrorCode::bad_model, path_ + ": key " + std::string(key) + " (" + expected + ") is missing");
  return *v;
}

void File::wrong(std::string_view key, const std::string& expected, const std::string& found) const {
  throw Error(ErrorCode::bad_model, path_ + ": key " + std::string(key) + " must be " + expected + ", found " + found);
}

int64_t File::integer(std::string_view key, int64_t lo, int64_t hi) const {
  const Value& v = required(key, "an integer");
  if (const auto* i = std::get_if<int64_t>(&v); i && *i >= lo && *i <= hi) return *i;
  if (const auto* u = std::get_if<uint64_t>(&v);
      u && hi >= 0 && *u <= static_cast<uint64_t>(hi) && static_cast<int64_t>(*u) >= lo)
    return static_cast<int64_t>(*u);
  wrong(key, "an integer " + range(lo, hi), describe(v));
}

double File::number(std::string_view key, double lo, double hi) const {
  const Value& v = required(key, "a number");
  if (const auto* d = std::get_if<double>(&v); d && std::isfinite(*d) && *d >= lo && *d <= hi) return *d;
  wrong(key, "a number in " + std::to_string(lo) + ".." + std::to_string(hi), describe(v));
}

const std::string& File::string(std::string_view key) const {
  const Value& v = required(key, "a string");
  if (const auto* s = std::get_if<std::string>(&v)) return *s;
  wrong(key, "a string", describe(v));
}

const std::vector<std::string>& File::strings(std::string_view key) const {
  const Value& v = required(key, "an array of strings");
  if (const auto* s = std::get_if<std::vector<std::string>>(&v)) return *s;
  wrong(key, "an array of strings", describe(v));
}

std::vector<int64_t> File::integers(std::string_view key, int64_t lo, int64_t hi) const {
  const Value& v = required(key, "an array of integers");
  std::vector<int64_t> out;
  const auto add = [&](auto n, bool fits) {
    if (!fits) wrong(key, "an array of integers " + range(lo, hi), "the element " + std::to_string(n));
    out.push_back(static_cast<int64_t>(n));
  };
  if (const auto* i = std::get_if<std::vector<int64_t>>(&v)) {
    for (const int64_t n : *i) add(n, n >= lo && n <= hi);
  } else if (const auto* u = std::get_if<std::vector<uint64_t>>(&v)) {
    for (const uint64_t n : *u) add(n, hi >= 0 && n <= static_cast<uint64_t>(hi) && static_cast<int64_t>(n) >= lo);
  } else {
    wrong(key, "an array of integers", describe(v));
  }
  return out;
}

std::vector<double> File::numbers(std::string_view key, double lo, double hi) const {
  const Value& v = required(key, "an array of numbers");
  const auto* d = std::get_if<std::vector<double>>(&v);
  if (!d) wrong(key, "an array of numbers", describe(v));
  for (const double n : *d)
    if (!std::isfinite(n) || n < lo || n > hi)
      wrong(key, "an array of numbers in " + std::to_string(lo) + ".." + std::to_string(hi),
            "the element " + std::to_string(n));
  return *d;
}

}  // namespace owl3::gguf
