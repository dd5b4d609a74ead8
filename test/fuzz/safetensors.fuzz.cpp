// The safetensors header over any text, for a file that is 4096 bytes longer.
#include "convert/safetensors.h"

#include <cstdlib>

#include "base/error.h"

using namespace owl3;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint64_t start = 8 + size, end = start + 4096;
  try {
    const std::string_view json(reinterpret_cast<const char*>(data), size);
    for (const convert::SafetensorsTensor& t : convert::parse_safetensors_header("fuzz", json, start, end)) {
      if (t.offset < start || t.offset > end || t.bytes > end - t.offset) std::abort();
    }
  } catch (const Error& e) {
    if (e.code != ErrorCode::bad_model) std::abort();
  }
  return 0;
}
