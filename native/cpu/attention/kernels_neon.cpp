#if defined(__aarch64__)
#define OWL3_LANES neon
#define OWL3_LANES_NEON
#include "cpu/attention/body.h"
#include "cpu/rope/body.h"

namespace owl3::neon {

extern const attention::Kernels attention_kernels;
extern const rope::Kernels rope_kernels;
const attention::Kernels attention_kernels{vision, vision, vision, hyper, merge, exp2_all};
const rope::Kernels rope_kernels{rope_row};

}  // namespace owl3::neon
#endif
