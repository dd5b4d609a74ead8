#if defined(__x86_64__)
#define OWL3_LANES avx2
#define OWL3_LANES_AVX2
#include "cpu/attention/body.h"
#include "cpu/rope/body.h"

namespace owl3::avx2 {

extern const attention::Kernels attention_kernels;
extern const rope::Kernels rope_kernels;
const attention::Kernels attention_kernels{vision, vision, vision, hyper, merge, exp2_all};
const rope::Kernels rope_kernels{rope_row};

}  // namespace owl3::avx2
#endif
