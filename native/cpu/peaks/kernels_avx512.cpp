#if defined(__x86_64__)
#define OWL3_LANES avx512
#define OWL3_LANES_AVX512
#include "cpu/peaks/avx512.h"

namespace owl3::avx512 {

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{int8_loop, nullptr, fp32_loop, read_loop};

}  // namespace owl3::avx512
#endif
