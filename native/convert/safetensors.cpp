#include "convert/safetensors.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/checked.h"
#include "convert/json_scanner.h"
#include "gguf/input.h"

namespace owl3::convert {
namespace {

constexpr uint64_t max_header_bytes = 100'000'000;  // the limit of the format's own library
constexpr size_t max_tensors = 1 << 16;
constexpr size_t max_dimensions = 8;

/// The size of a value in bytes, 0 for a type that the format does not have.
uint64_t dtype_bytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, uint64_t> sizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
      {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8},
  };
  for (const auto& [name, bytes] : sizes)
    if (name == dtype) return bytes;
  return 0;
}

/// Skips `__metadata__`, which maps strings to strings.
void skip_metadata(JsonScanner& json) {
  json.expect('{');
  if (json.accept('}')) return;
  do {
    json.string();
    json.expect(':');
    json.string();
  } while (json.accept(','));
  json.expect('}');
}

struct Description {
  SafetensorsTensor tensor;
  uint64_t begin = 0, end = 0;  // from the start of the data
};

Description read_description(JsonScanner& json) {
  Description d;
  bool dtype = false, shape = false, place = false;
  json.expect('{');
  do {
    const std::string field = json.string();
    json.expect(':');
    if (field == "dtype" && !dtype) {
      d.tensor.dtype = json.string();
      dtype = true;
    } else if (field == "shape" && !shape) {
      json.expect('[');
      if (!json.accept(']')) {
        do {
          if (d.tensor.shape.size() == max_dimensions) json.fail("too many dimensions");
          d.tensor.shape.push_back(json.integer());
        } while (json.accept(','));
        json.expect(']');
      }
      shape = true;
    } else if (field == "data_offsets" && !place) {
      json.expect('[');
      d.begin = static_cast<uint64_t>(json.integer());
      json.expect(',');
      d.end = static_cast<uint64_t>(json.integer());
      json.expect(']');
      place = true;
    } else {
      json.fail("a field that is unknown or given twice");
    }
  } while (json.accept(','));
  json.expect('}');
  if (!dtype || !shape || !place) json.fail("a tensor lacks dtype, shape or data_offsets");
  return d;
}

/// Computes the tensor's size and checks that it lies inside the file.
void place(const std::string& where, Description& d, uint64_t data_start, uint64_t file_size) {
  SafetensorsTensor& t = d.tensor;
  const auto bad = [&](const std::string& what) {
    throw Error(ErrorCode::bad_model, where + "tensor " + t.name + " " + what);
  };
  uint64_t bytes = dtype_bytes(t.dtype);
  if (bytes == 0) bad("has the unknown dtype " + t.dtype);
  for (const int64_t n : t.shape) bytes = checked_mul(bytes, static_cast<uint64_t>(n), t.name.c_str());
  if (d.end < d.begin || d.end - d.begin != bytes)
    bad("has data_offsets [" + std::to_string(d.begin) + ", " + std::to_string(d.end) +
        "], but its shape and dtype take " + std::to_string(bytes) + " bytes");
  if (d.end > file_size - data_start)
    bad("ends at byte " + std::to_string(data_start + d.end) + ", but the file has " + std::to_string(file_size) +
        ": it is truncated or corrupt");
  t.offset = data_start + d.begin;
  t.bytes = bytes;
}

}  // namespace

std::vector<SafetensorsTensor> parse_safetensors_header(const std::string& path, std::string_view text,
                                                        uint64_t data_start, uint64_t file_size) {
  const std::string where = path + ": ";
  if (data_start > file_size) throw Error(ErrorCode::internal, "data past the end of the file");
  JsonScanner json(text, where);
  std::vector<SafetensorsTensor> tensors;
  std::unordered_set<std::string> names;
  json.expect('{');
  if (!json.accept('}')) {
    do {
      std::string name = json.string();
      json.expect(':');
      if (!names.insert(name).second) json.fail("a name given twice");
      if (name == "__metadata__") {
        skip_metadata(json);
        continue;
      }
      if (tensors.size() == max_tensors) json.fail("more than " + std::to_string(max_tensors) + " tensors");
      Description d = read_description(json);
      d.tensor.name = std::move(name);
      place(where, d, data_start, file_size);
      tensors.push_back(std::move(d.tensor));
    } while (json.accept(','));
    json.expect('}');
  }
  json.end();
  std::vector<const SafetensorsTensor*> order;
  for (const SafetensorsTensor& t : tensors)
    if (t.bytes > 0) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); i++)
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
      throw Error(ErrorCode::bad_model,
                  where + "tensors " + order[i - 1]->name + " and " + order[i]->name + " overlap");
  return tensors;
}

std::vector<SafetensorsTensor> read_safetensors(const std::string& path) {
  const gguf::InputFile file(path);
  const auto bad = [&](const std::string& what) { throw Error(ErrorCode::bad_model, path + ": " + what); };
  if (file.size() < 8) bad("is too short for a safetensors file");
  uint64_t length;
  file.read(0, &length, 8);
  if (length > max_header_bytes || length > file.size() - 8)
    bad("is not a safetensors file, or truncated: it claims a header of " + std::to_string(length) + " bytes");
  std::string json(length, '\0');
  file.read(8, json.data(), length);
  return parse_safetensors_header(path, json, 8 + length, file.size());
}

}  // namespace owl3::convert
