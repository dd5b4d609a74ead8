// Compiled once per instruction set into the namespace OWL3_QUANTIZE_ISA (see CMakeLists.txt).
#include "gguf/formats/quantize.h"

#include "gguf/formats/formats.h"

namespace owl3::gguf::OWL3_QUANTIZE_ISA {

void quantize(DType type, const float* x, void* blocks, int64_t n) {
  switch (type) {
#define OWL3_CASE(type, name, number) \
  case DType::type:                   \
    return name::quantize(x, blocks, n / name::block_size);
    OWL3_FORMATS(OWL3_CASE)
#undef OWL3_CASE
  }
}

}  // namespace owl3::gguf::OWL3_QUANTIZE_ISA
