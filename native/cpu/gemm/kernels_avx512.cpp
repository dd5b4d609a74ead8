#if defined(__x86_64__)
#define OWL3_LANES avx512
#define OWL3_LANES_AVX512
#include "cpu/gemm/int16.h"

namespace owl3::avx512 {

extern const linear_kernels::Table linear_table;
const linear_kernels::Table linear_table{unsigned_weights, false,   norm_row, to_int8,  nullptr,  int8_all,
                                         float_all,        nullptr, epilogue, to_int16, int16_all};

}  // namespace owl3::avx512
#endif
