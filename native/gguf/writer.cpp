#include "gguf/writer.h"

#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/checked.h"

namespace owl3::gguf {
namespace {

class Header {
 public:
  std::string bytes;
  template <class T>
  void put(T v) {
    char raw[sizeof v];
    std::memcpy(raw, &v, sizeof v);
    bytes.append(raw, sizeof v);
  }
  void text(const std::string& s) {
    put<uint64_t>(s.size());
    bytes += s;
  }
  void entry(const Entry& e);

 private:
  template <class To, class From>
  void integer(const std::string& key, From v) {
    if (!std::in_range<To>(v))
      throw Error(ErrorCode::invalid_argument, "key " + key + ": " + std::to_string(v) + " does not fit its type");
    put(static_cast<To>(v));
  }
  template <class T>
  void scalar(const Entry& e, const T& v);
};

template <class T>
void Header::scalar(const Entry& e, const T& v) {
  const auto mismatch = [&] {
    throw Error(ErrorCode::invalid_argument, "key " + e.key + ": the value is not of kind " + kind_name(e.type.kind));
  };
  if constexpr (std::is_same_v<T, std::string>) {
    e.type.kind == Kind::string ? text(v) : mismatch();
  } else if constexpr (std::is_same_v<T, bool>) {
    e.type.kind == Kind::boolean ? put<uint8_t>(v) : mismatch();
  } else if constexpr (std::is_same_v<T, double>) {
    if (e.type.kind == Kind::f32)
      put(static_cast<float>(v));
    else
      e.type.kind == Kind::f64 ? put(v) : mismatch();
  } else {
    switch (e.type.kind) {
      case Kind::u8:
        return integer<uint8_t>(e.key, v);
      case Kind::i8:
        return integer<int8_t>(e.key, v);
      case Kind::u16:
        return integer<uint16_t>(e.key, v);
      case Kind::i16:
        return integer<int16_t>(e.key, v);
      case Kind::u32:
        return integer<uint32_t>(e.key, v);
      case Kind::i32:
        return integer<int32_t>(e.key, v);
      case Kind::u64:
        return integer<uint64_t>(e.key, v);
      case Kind::i64:
        return integer<int64_t>(e.key, v);
      default:
        mismatch();
    }
  }
}

void Header::entry(const Entry& e) {
  text(e.key);
  if (e.type.array) put(static_cast<uint32_t>(Kind::array));
  put(static_cast<uint32_t>(e.type.kind));
  std::visit(
      [&]<class T>(const T& v) {
        constexpr bool test_list = !std::is_same_v<T, std::string> && requires {
          v.size();
        };
        if (test_list != e.type.array)
          throw Error(
              ErrorCode::invalid_argument,
              "key " + e.key + (e.type.array ? ": the value must be an array" : ": the value must not be an array"));
        if constexpr (test_list) {
          put<uint64_t>(v.size());
          for (const typename T::value_type& x : v) scalar<typename T::value_type>(e, x);
        } else {
          scalar(e, v);
        }
      },
      e.value);
}

uint64_t aligned(uint64_t n) {
  return checked_add(n, Writer::alignment - 1, "file") / Writer::alignment * Writer::alignment;
}

uint64_t tensor_bytes(const TensorSpec& t) {
  if (t.shape.empty() || t.shape.size() > 4)
    throw Error(ErrorCode::invalid_argument,
                "tensor " + t.name + " has " + std::to_string(t.shape.size()) + " dimensions");
  for (const int64_t n : t.shape)
    if (n < 1)
      throw Error(ErrorCode::invalid_argument, "tensor " + t.name + " has a dimension of " + std::to_string(n));
  if (t.shape[0] % format(t.type).block_size != 0)
    throw Error(ErrorCode::invalid_argument, "tensor " + t.name + " has rows of " + std::to_string(t.shape[0]) +
                                                 " values, no multiple of " + format(t.type).name + "'s block of " +
                                                 std::to_string(format(t.type).block_size));
  uint64_t bytes = row_bytes(t.type, t.shape[0]);
  for (size_t i = 1; i < t.shape.size(); i++)
    bytes = checked_mul(bytes, static_cast<uint64_t>(t.shape[i]), t.name.c_str());
  return bytes;
}

}  // namespace

Writer::Writer(const std::string& path, const std::vector<Entry>& entries, const std::vector<TensorSpec>& tensors)
    : file_(path) {
  Header header;
  header.bytes = "GGUF";
  header.put<uint32_t>(3);
  header.put<uint64_t>(tensors.size());
  header.put<uint64_t>(entries.size());
  std::unordered_set<std::string> names;
  for (const Entry& e : entries) {
    if (e.key.empty() || !names.insert(e.key).second)
      throw Error(ErrorCode::invalid_argument, "key " + e.key + " is empty or given twice");
    if (e.key == "general.alignment")
      throw Error(ErrorCode::invalid_argument, "key general.alignment is the writer's own");
    header.entry(e);
  }
  names.clear();
  uint64_t offset = 0;  // from the start of the data
  for (const TensorSpec& t : tensors) {
    if (t.name.empty() || !names.insert(t.name).second)
      throw Error(ErrorCode::invalid_argument, "tensor " + t.name + " is empty or given twice");
    header.text(t.name);
    header.put(static_cast<uint32_t>(t.shape.size()));
    for (const int64_t n : t.shape) header.put(n);
    header.put(static_cast<uint32_t>(t.type));
    header.put(offset);
    places_.push_back({offset, tensor_bytes(t)});
    offset = aligned(checked_add(offset, places_.back().bytes, t.name.c_str()));
  }
  header.bytes.resize(aligned(header.bytes.size()));
  for (Place& p : places_) p.offset = checked_add(p.offset, header.bytes.size(), "file");
  end_ = checked_add(header.bytes.size(), offset, "file");
  if (end_ > uint64_t{std::numeric_limits<int64_t>::max()})
    throw Error(ErrorCode::invalid_argument, "the file would be too large");
  header_ = std::move(header.bytes);
}

void Writer::begin() {
  file_.reserve(end_);
  file_.write(0, header_.data(), header_.size());
  header_ = {};
  // The padding after each tensor is written too: not every file system gives zeros for what was not written.
  static constexpr char zero_bytes[alignment] = {};
  for (const Place& p : places_) file_.write(p.offset + p.bytes, zero_bytes, aligned(p.bytes) - p.bytes);
}

void Writer::write(size_t index, uint64_t offset, const void* data, uint64_t bytes) {
  const Place& p = places_.at(index);
  if (offset > p.bytes || bytes > p.bytes - offset)
    throw Error(ErrorCode::internal, "a write past the end of a tensor");
  file_.write(p.offset + offset, data, bytes);
}

}  // namespace owl3::gguf
