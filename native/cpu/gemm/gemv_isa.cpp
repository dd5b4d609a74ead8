// Which copy of the kernels for few rows an instruction set gets.
#include "cpu/gemm/gemv.h"

namespace owl3 {

#define OWL3_TABLES(isa)                             \
  namespace isa {                                    \
  extern const vector_kernels::Tables vector_tables; \
  }
OWL3_TABLES(avx2)
OWL3_TABLES(avx512)
OWL3_TABLES(neon)
#undef OWL3_TABLES

const vector_kernels::Table* vector_kernels::table(Isa isa, Fetch fetch) {
  const Tables* tables = nullptr;
  if (isa == Isa::scalar) return nullptr;
#if defined(__x86_64__)
  tables = isa == Isa::avx2 ? &avx2::vector_tables : &avx512::vector_tables;
#elif defined(__aarch64__)
  tables = &neon::vector_tables;
#endif
  if (!tables) return nullptr;
  return fetch == Fetch::lines ? &tables->lines : &tables->pages;
}

const vector_kernels::Table* vector_kernels::table(Isa isa) {
  return table(isa, made_by_intel() ? Fetch::lines : Fetch::pages);
}

}  // namespace owl3
