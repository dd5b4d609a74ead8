// The header of a safetensors file: eight bytes of length, then JSON naming each tensor's type, shape and place. As
// hostile as any input: capped, and every place checked against the file's size.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace owl3::convert {

struct SafetensorsTensor {
  std::string name;
  std::string dtype;           ///< as the file says it: "BF16"
  std::vector<int64_t> shape;  ///< as the file says it: the last dimension is the fastest
  uint64_t offset;             ///< from the start of the file
  uint64_t bytes;
};

/// The tensors of a file, in the header's order. Errors: not_found, unreadable, bad_model.
std::vector<SafetensorsTensor> read_safetensors(const std::string& path);

/// The same from the JSON text; `path` is for messages, `data_start` and `file_size` place the data.
std::vector<SafetensorsTensor> parse_safetensors_header(const std::string& path, std::string_view json,
                                                        uint64_t data_start, uint64_t file_size);

}  // namespace owl3::convert
