// Pixels to rows of patches: the verb of ops/backend.h (its contract is there) on the thread pool.
#pragma once
#include "cpu/context.h"

namespace owl3::cpu {

void patchify(Context& c, const ops::PatchifyParams& p);

}  // namespace owl3::cpu
