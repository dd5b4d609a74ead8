#if defined(__aarch64__)
#define OWL3_LANES neon
#define OWL3_LANES_NEON
#include "cpu/gemm/body.h"

namespace owl3::neon {

extern const linear_kernels::Table linear_table;
const linear_kernels::Table linear_table{unsigned_weights, false,   norm_row, to_int8, nullptr, int8_all,
                                         float_all,        nullptr, epilogue, nullptr, nullptr};

}  // namespace owl3::neon
#endif
