#if defined(__x86_64__)
#define OWL3_LANES avx512
#define OWL3_LANES_AVX512
#include "cpu/gemm/gemv_body.h"

namespace owl3::avx512 {

extern const vector_kernels::Tables vector_tables;
const vector_kernels::Tables vector_tables = tables;

}  // namespace owl3::avx512
#endif
