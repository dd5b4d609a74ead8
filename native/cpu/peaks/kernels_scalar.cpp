#define OWL3_LANES scalar
#include "cpu/peaks/body.h"

namespace owl3::scalar {

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{nullptr, nullptr, fp32_loop, read_loop};

}  // namespace owl3::scalar
