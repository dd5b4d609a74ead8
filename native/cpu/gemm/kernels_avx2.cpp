#if defined(__x86_64__)
#define OWL3_LANES avx2
#define OWL3_LANES_AVX2
#include "cpu/gemm/body.h"

namespace owl3::avx2 {

extern const linear_kernels::Table linear_table;
const linear_kernels::Table linear_table{unsigned_weights, false,   norm_row, to_int8, nullptr, int8_all,
                                         float_all,        nullptr, epilogue, nullptr, nullptr};

}  // namespace owl3::avx2
#endif
