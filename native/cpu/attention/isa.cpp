// Which copy of the kernels an instruction set gets.
#include "base/error.h"
#include "cpu/attention/attention.h"
#include "cpu/peaks/peaks.h"
#include "cpu/rope/rope.h"

namespace owl3 {

#define OWL3_KERNELS(isa)                            \
  namespace isa {                                    \
  extern const attention::Kernels attention_kernels; \
  extern const rope::Kernels rope_kernels;           \
  extern const peaks::Loops peak_loops;              \
  }
OWL3_KERNELS(scalar)
OWL3_KERNELS(avx2)
OWL3_KERNELS(avx512)
OWL3_KERNELS(avx512bf16)
OWL3_KERNELS(amx)
OWL3_KERNELS(neon)
#undef OWL3_KERNELS

namespace {
[[noreturn]] void not_built(Isa isa) {
  throw Error(ErrorCode::unsupported, std::string("this build has no kernels for ") + isa_name(isa));
}
}  // namespace

#if defined(__x86_64__)
#define OWL3_X86(x) return x
#else
#define OWL3_X86(x) break
#endif
#ifdef OWL3_HAVE_AVX512BF16
#define OWL3_BF16(x) return x
#else
#define OWL3_BF16(x) break
#endif
#ifdef OWL3_HAVE_AMX
#define OWL3_AMX(x) return x
#else
#define OWL3_AMX(x) break
#endif
#if defined(__aarch64__)
#define OWL3_ARM(x) return x
#else
#define OWL3_ARM(x) break
#endif
#define OWL3_CHOOSE(table)          \
  switch (isa) {                    \
    case Isa::scalar:               \
      return scalar::table;         \
    case Isa::avx2:                 \
      OWL3_X86(avx2::table);        \
    case Isa::avx512:               \
      OWL3_X86(avx512::table);      \
    case Isa::avx512bf16:           \
      OWL3_BF16(avx512bf16::table); \
    case Isa::amx:                  \
      OWL3_AMX(amx::table);         \
    case Isa::neon:                 \
      OWL3_ARM(neon::table);        \
  }                                 \
  not_built(isa)

const attention::Kernels& attention::kernels(Isa isa) {
  OWL3_CHOOSE(attention_kernels);
}
const rope::Kernels& rope::kernels(Isa isa) {
  OWL3_CHOOSE(rope_kernels);
}
const peaks::Loops& peaks::loops(Isa isa) {
  OWL3_CHOOSE(peak_loops);
}

}  // namespace owl3
