#if defined(__aarch64__)
#define OWL3_LANES neon
#define OWL3_LANES_NEON
#include "cpu/gemm/gemv_body.h"

namespace owl3::neon {

extern const vector_kernels::Tables vector_tables;
const vector_kernels::Tables vector_tables = tables;

}  // namespace owl3::neon
#endif
