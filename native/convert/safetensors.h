// The header of a safetensors file: its length in eight bytes, then JSON that gives each tensor's type, shape and
// offsets. It is as hostile as any input: its size is capped, and every offset is checked against the file's size.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace owl3::convert {

struct SafetensorsTensor {
  std::string name;
  std::string dtype;           ///< as in the file: "BF16"
  std::vector<int64_t> shape;  ///< as in the file: the last dimension is the fastest
  uint64_t offset;             ///< from the start of the file
  uint64_t bytes;
};

/// Reads the tensors of a file, in the header's order. Errors: not_found, unreadable, bad_model.
std::vector<SafetensorsTensor> read_safetensors(const std::string& path);

/// Reads them from the header's text. `path` is for messages; the data lie in [data_start, file_size) of the file.
std::vector<SafetensorsTensor> parse_safetensors_header(const std::string& path, std::string_view json,
                                                        uint64_t data_start, uint64_t file_size);

}  // namespace owl3::convert
