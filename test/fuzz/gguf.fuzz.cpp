// The GGUF reader over any bytes: it may only refuse them with bad_model. What it accepts must lie inside the bytes.
#include "gguf/gguf.h"

#include <cstdlib>

using namespace owl3;

static void require(bool ok) {
  if (!ok) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::shared_ptr<const gguf::File> f;
  try {
    f = gguf::File::from_memory("fuzz", {reinterpret_cast<const char*>(data), size});
  } catch (const Error& e) {
    require(e.code == ErrorCode::bad_model);
    return 0;
  }
  float row[256];
  for (const gguf::Tensor& t : f->tensors()) {
    require(t.offset <= size && t.bytes <= size - t.offset && t.cols() > 0 && t.rows() > 0);
    require(gguf::row_bytes(t.type, t.cols()) * static_cast<uint64_t>(t.rows()) == t.bytes);
    require(f->find(t.name) == &t);
    gguf::dequantize_row(t.type, f->data(t), row, gguf::format(t.type).block_size);
  }
  for (const auto& [key, value] : f->metadata()) {
    require(f->value(key) == &value);
    try {
      if (std::holds_alternative<std::vector<int64_t>>(value) || std::holds_alternative<std::vector<uint64_t>>(value))
        f->integers(key, -5, 1 << 20);
      else
        f->integer(key, 0, 1 << 20);
    } catch (const Error& e) {
      require(e.code == ErrorCode::bad_model);
    }
  }
  return 0;
}
