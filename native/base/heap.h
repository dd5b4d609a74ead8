// The memory that malloc keeps when it was freed.
#pragma once

namespace owl3 {

/// Gives it back to the system: for moments in which much was freed, as when a model ends. Later work gets pages from the
/// system again as it touches them. Does nothing where the C library does so by itself: all but glibc (malloc_trim(3)).
void trim_heap() noexcept;

}  // namespace owl3
