#if defined(__x86_64__)
#define OWL3_LANES avx2
#define OWL3_LANES_AVX2
#include "cpu/gemm/gemv_body.h"

namespace owl3::avx2 {

extern const vector_kernels::Tables vector_tables;
const vector_kernels::Tables vector_tables = tables;

}  // namespace owl3::avx2
#endif
