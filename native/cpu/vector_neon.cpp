#if defined(__aarch64__)
#define OWL3_LANES neon
#define OWL3_LANES_NEON
#include "cpu/vector_body.h"

namespace owl3::neon {

extern const vector_kernels::Table vector_table;
const vector_kernels::Table vector_table{int8_vector, float_vector};

}  // namespace owl3::neon
#endif
