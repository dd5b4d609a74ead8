// What the C library keeps of freed memory.
#pragma once

namespace owl3 {

/// Gives freed memory that malloc keeps for later back to the system: for moments in which much was freed, such as the end
/// of a model. Whoever works on has it again page by page. Does nothing where the C library does so by itself (all but
/// glibc: malloc_trim(3)).
void trim_heap() noexcept;

}  // namespace owl3
