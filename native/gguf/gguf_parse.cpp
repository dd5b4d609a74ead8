// Parsing: every count and length is checked against its limit and the bytes left before anything is allocated.
#include "gguf/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/checked.h"

namespace owl3::gguf {
namespace {

// GGUF is little-endian and so is every machine we build for; a big-endian one would need swaps here and in the blocks.
static_assert(std::endian::native == std::endian::little);

// Limits far above every real file, and low enough that a hostile one can't make us allocate much more than its size.
constexpr uint64_t max_keys = 1 << 16;
constexpr uint64_t max_tensors = 1 << 16;
constexpr uint64_t max_name = 1 << 10;    // bytes
constexpr uint64_t max_string = 1 << 26;  // bytes
constexpr uint64_t max_array = 1 << 24;   // elements
constexpr int64_t max_dimension = int64_t{1} << 40;
constexpr uint64_t max_values = uint64_t{1} << 62;

// Bytes that a key takes at least (name length, one letter, type, one byte), and a tensor (name length, number of
// dimensions, one dimension, type, offset).
constexpr uint64_t min_key_bytes = 14;
constexpr uint64_t min_tensor_bytes = 32;

/// The name of a GGML tensor type that we don't read, for the message, or nullptr.
const char* foreign_type(uint32_t type) {
  static constexpr std::pair<uint32_t, const char*> names[] = {
      {3, "Q4_1"},    {7, "Q5_1"}, {9, "Q8_1"}, {10, "Q2_K"}, {11, "Q3_K"}, {15, "Q8_K"}, {20, "IQ4_NL"},
      {23, "IQ4_XS"}, {24, "I8"},  {25, "I16"}, {26, "I32"},  {27, "I64"},  {28, "F64"},  {39, "MXFP4"}};
  for (const auto& [number, name] : names)
    if (number == type) return name;
  return nullptr;
}

/// Names come from the file: no control characters may reach a terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (c < 0x20 || c > 0x7e) c = '?';
  return text;
}

bool known(uint32_t kind) {
  return kind <= static_cast<uint32_t>(Kind::f64);
}

}  // namespace

const char* kind_name(Kind kind) {
  static constexpr const char* names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                          "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<uint32_t>(kind)];
}

void Parser::bad(const std::string& what) const {
  throw Error(ErrorCode::bad_model, f_.path_ + ": " + printable(what));
}

const char* Parser::take(uint64_t bytes, const char* what) {
  if (bytes > left())
    bad("the file ends at byte " + std::to_string(f_.size_) + " inside " + what + ": it is truncated or corrupt");
  const char* p = f_.base_ + at_;
  at_ += bytes;
  return p;
}

template <class T>
T Parser::read(const char* what) {
  T v;
  std::memcpy(&v, take(sizeof v, what), sizeof v);
  return v;
}

std::string Parser::read_string(uint64_t limit, const std::string& what) {
  const uint64_t length = read<uint64_t>(what.c_str());
  if (length > limit)
    bad(what + " claims a length of " + std::to_string(length) + " bytes; at most " + std::to_string(limit) +
        " are allowed");
  const char* p = take(length, what.c_str());
  return std::string(p, length);
}

void Parser::parse() {
  read_header();
  f_.metadata_.reserve(keys_);
  for (uint64_t i = 0; i < keys_; i++) read_entry(i);
  f_.tensors_.reserve(tensors_);
  for (uint64_t i = 0; i < tensors_; i++) read_tensor(i);
  place_tensors();
}

void Parser::read_header() {
  if (f_.size_ < 4 || std::memcmp(f_.base_, "GGUF", 4) != 0)
    bad("is not a GGUF file (it does not start with \"GGUF\")");
  take(4, "the header");
  f_.version_ = read<uint32_t>("the header");
  if ((f_.version_ & 0xffffu) == 0 && f_.version_ != 0)
    bad("is a big-endian GGUF file; only little-endian ones are read");
  if (f_.version_ < 2 || f_.version_ > 3)
    bad("is GGUF version " + std::to_string(f_.version_) + "; versions 2 and 3 are read");
  tensors_ = read<uint64_t>("the header");
  keys_ = read<uint64_t>("the header");
  if (tensors_ > max_tensors)
    bad("claims " + std::to_string(tensors_) + " tensors; at most " + std::to_string(max_tensors) + " are allowed");
  if (keys_ > max_keys)
    bad("claims " + std::to_string(keys_) + " metadata keys; at most " + std::to_string(max_keys) + " are allowed");
  if (keys_ * min_key_bytes + tensors_ * min_tensor_bytes > left())
    bad("is too short for the " + std::to_string(keys_) + " keys and " + std::to_string(tensors_) +
        " tensors it claims");
}

void Parser::read_entry(uint64_t n) {
  std::string key = read_string(max_name, "the name of metadata key " + std::to_string(n));
  if (key.empty()) bad("metadata key " + std::to_string(n) + " has an empty name");
  const uint32_t raw = read<uint32_t>(key.c_str());
  if (!known(raw)) bad("key " + key + " has the unknown value type " + std::to_string(raw));
  Type type{static_cast<Kind>(raw)};
  Value value;
  if (type.kind == Kind::array) {
    const uint32_t element = read<uint32_t>(key.c_str());
    if (!known(element)) bad("key " + key + " is an array of the unknown type " + std::to_string(element));
    type = {static_cast<Kind>(element), true};
    value = read_array(type.kind, read<uint64_t>(key.c_str()), key);
  } else {
    value = read_scalar(type.kind, key);
  }
  if (!f_.key_index_.emplace(key, n).second) bad("key " + key + " occurs twice");
  f_.metadata_.emplace_back(std::move(key), std::move(value));
  f_.types_.push_back(type);
}

Value Parser::read_scalar(Kind kind, const std::string& key) {
  const char* what = key.c_str();
  switch (kind) {
    case Kind::u8:
      return uint64_t{read<uint8_t>(what)};
    case Kind::i8:
      return int64_t{read<int8_t>(what)};
    case Kind::u16:
      return uint64_t{read<uint16_t>(what)};
    case Kind::i16:
      return int64_t{read<int16_t>(what)};
    case Kind::u32:
      return uint64_t{read<uint32_t>(what)};
    case Kind::i32:
      return int64_t{read<int32_t>(what)};
    case Kind::u64:
      return read<uint64_t>(what);
    case Kind::i64:
      return read<int64_t>(what);
    case Kind::f32:
      return double{read<float>(what)};
    case Kind::f64:
      return read<double>(what);
    case Kind::string:
      return read_string(max_string, "key " + key);
    case Kind::boolean: {
      const uint8_t b = read<uint8_t>(what);
      if (b > 1) bad("key " + key + " is a boolean with the value " + std::to_string(b));
      return b == 1;
    }
    case Kind::array:
      break;  // can't happen: read_array() reads arrays, and refuses those in arrays
  }
  bad("key " + key + " has no scalar type");  // can't happen: known() has seen the kind
}

Value Parser::read_array(Kind kind, uint64_t count, const std::string& key) {
  static constexpr uint8_t min_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};  // of an element
  if (count > max_array)
    bad("key " + key + " claims " + std::to_string(count) + " elements; at most " + std::to_string(max_array) +
        " are allowed");
  if (count * min_bytes[static_cast<uint32_t>(kind)] > left())
    bad("key " + key + " claims " + std::to_string(count) + " elements, more than the file has room for");
  const auto fill = [&]<class T>(std::vector<T> out) -> Value {
    out.reserve(count);
    for (uint64_t i = 0; i < count; i++) out.push_back(std::get<T>(read_scalar(kind, key)));
    return out;
  };
  switch (kind) {
    case Kind::u8:
    case Kind::u16:
    case Kind::u32:
    case Kind::u64:
      return fill(std::vector<uint64_t>());
    case Kind::i8:
    case Kind::i16:
    case Kind::i32:
    case Kind::i64:
      return fill(std::vector<int64_t>());
    case Kind::f32:
    case Kind::f64:
      return fill(std::vector<double>());
    case Kind::boolean:
      return fill(std::vector<bool>());
    case Kind::string:
      return fill(std::vector<std::string>());
    case Kind::array:
      bad("key " + key + " is an array of arrays, which is not read");
  }
  bad("key " + key + " has no element type");  // can't happen: known() has seen the kind
}

void Parser::read_tensor(uint64_t n) {
  Tensor t;
  t.name = read_string(max_name, "the name of tensor " + std::to_string(n));
  if (t.name.empty()) bad("tensor " + std::to_string(n) + " has an empty name");
  const char* what = t.name.c_str();
  const uint32_t dimensions = read<uint32_t>(what);
  if (dimensions < 1 || dimensions > 4)
    bad("tensor " + t.name + " has " + std::to_string(dimensions) + " dimensions; 1 to 4 are allowed");
  for (uint32_t i = 0; i < dimensions; i++) {
    const int64_t size = read<int64_t>(what);
    if (size < 1 || size > max_dimension) bad("tensor " + t.name + " has a dimension of " + std::to_string(size));
    t.shape.push_back(size);
  }
  const uint32_t type = read<uint32_t>(what);
  t.offset = read<uint64_t>(what);
  const Format* format = find_format(type);
  if (!format) {
    const char* name = foreign_type(type);
    bad("tensor " + t.name + " has the type " + (name ? name : "number " + std::to_string(type)) +
        ", which is not read");
  }
  t.type = format->type;
  if (t.shape[0] % format->block_size != 0)
    bad("tensor " + t.name + " has rows of " + std::to_string(t.shape[0]) + " values, no multiple of " + format->name +
        "'s block of " + std::to_string(format->block_size));
  t.bytes = row_bytes(t.type, t.shape[0]);
  uint64_t values = static_cast<uint64_t>(t.shape[0]);
  for (size_t i = 1; i < t.shape.size(); i++) {
    t.bytes = checked_mul(t.bytes, static_cast<uint64_t>(t.shape[i]), what);
    values = checked_mul(values, static_cast<uint64_t>(t.shape[i]), what);
  }
  if (values > max_values) bad("tensor " + t.name + " has more values than any machine can hold");
  if (!f_.tensor_index_.emplace(t.name, n).second) bad("tensor " + t.name + " occurs twice");
  f_.tensors_.push_back(std::move(t));
}

/// Turns offsets from the data section's start into offsets from the file's, and checks that each tensor lies inside
/// the file, alone.
void Parser::place_tensors() {
  uint64_t alignment = 32;
  if (f_.has("general.alignment")) alignment = static_cast<uint64_t>(f_.integer("general.alignment", 1, 1 << 20));
  if (!std::has_single_bit(alignment))
    bad("key general.alignment must be a power of two, found " + std::to_string(alignment));
  const uint64_t data = (at_ + alignment - 1) / alignment * alignment;
  std::vector<const Tensor*> order;
  for (Tensor& t : f_.tensors_) {
    if (t.offset % alignment != 0)
      bad("tensor " + t.name + " starts at offset " + std::to_string(t.offset) + ", no multiple of the alignment " +
          std::to_string(alignment));
    t.offset = checked_add(t.offset, data, t.name.c_str());
    if (const uint64_t end = checked_add(t.offset, t.bytes, t.name.c_str()); end > f_.size_)
      bad("tensor " + t.name + " ends at byte " + std::to_string(end) + ", but the file has " +
          std::to_string(f_.size_) + ": it is truncated or corrupt");
    order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); i++)
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
      bad("tensors " + order[i - 1]->name + " and " + order[i]->name + " overlap");
}

}  // namespace owl3::gguf
