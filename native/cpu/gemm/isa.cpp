// Which copy of the matrix kernels an instruction set gets.
#include "base/error.h"
#include "cpu/gemm/kernels.h"

namespace owl3 {

#define OWL3_TABLE(isa)                            \
  namespace isa {                                  \
  extern const linear_kernels::Table linear_table; \
  }
OWL3_TABLE(scalar)
OWL3_TABLE(avx2)
OWL3_TABLE(avx512)
OWL3_TABLE(avx512bf16)
OWL3_TABLE(amx)
OWL3_TABLE(neon)
#undef OWL3_TABLE

const linear_kernels::Table& linear_kernels::table(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return scalar::linear_table;
#if defined(__x86_64__)
    case Isa::avx2:
      return avx2::linear_table;
    case Isa::avx512:
      return avx512::linear_table;
#endif
#ifdef OWL3_HAVE_AVX512BF16
    case Isa::avx512bf16:
      return avx512bf16::linear_table;
#endif
#ifdef OWL3_HAVE_AMX
    case Isa::amx:
      return amx::linear_table;
#endif
#if defined(__aarch64__)
    case Isa::neon:
      return neon::linear_table;
#endif
    default:
      break;
  }
  throw Error(ErrorCode::unsupported, std::string("this build has no kernels for ") + isa_name(isa));
}

}  // namespace owl3
