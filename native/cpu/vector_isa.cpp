// Which copy of the kernels for few rows an instruction set gets.
#include "cpu/vector_kernels.h"

namespace owl3 {

#define OWL3_TABLE(isa)                            \
  namespace isa {                                  \
  extern const vector_kernels::Table vector_table; \
  }
OWL3_TABLE(avx2)
OWL3_TABLE(avx512)
OWL3_TABLE(neon)
#undef OWL3_TABLE

const vector_kernels::Table* vector_kernels::table(Isa isa) {
  if (isa == Isa::scalar) return nullptr;
#if defined(__x86_64__)
  return isa == Isa::avx2 ? &avx2::vector_table : &avx512::vector_table;
#elif defined(__aarch64__)
  return &neon::vector_table;
#else
  return nullptr;
#endif
}

}  // namespace owl3
