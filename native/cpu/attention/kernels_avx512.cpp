#if defined(__x86_64__)
#define OWL3_LANES avx512
#define OWL3_LANES_AVX512
#include "cpu/attention/vision_avx512.h"
#include "cpu/rope/body.h"

namespace owl3::avx512 {

extern const attention::Kernels attention_kernels;
extern const rope::Kernels rope_kernels;
const attention::Kernels attention_kernels{rows::vision<rows::FloatOperands>,
                                           rows::vision<rows::FloatOperands>,
                                           rows::vision<rows::FloatOperands>,
                                           hyper,
                                           merge,
                                           exp2_all};
const rope::Kernels rope_kernels{rope_row};

}  // namespace owl3::avx512
#endif
