#ifdef __AVX512BF16__
#define OWL3_LANES avx512bf16
#define OWL3_LANES_AVX512
#include "cpu/attention/vision_avx512.h"
#include "cpu/rope/body.h"

namespace owl3::avx512bf16 {

extern const attention::Kernels attention_kernels;
extern const rope::Kernels rope_kernels;
// Float accuracy from bfloat16 would take three products, more than the one of half their rate.
const attention::Kernels attention_kernels{rows::vision<rows::FloatOperands>,
                                           rows::vision<rows::FloatOperands>,
                                           rows::vision<rows::Bf16Operands>,
                                           hyper,
                                           merge,
                                           exp2_all};
const rope::Kernels rope_kernels{rope_row};

}  // namespace owl3::avx512bf16
#endif
