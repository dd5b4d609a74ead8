// A mapped file that is cut short, or whose disk fails, must not end the process. Reading a page that the file
// no longer has gives SIGBUS; the handler here puts pages of zeros in place of the mapping and notes that it did.
#pragma once
#include "gguf/input.h"

namespace owl3::gguf {

/// Watches over a mapping that was just made. The first call installs the handler; a signal that concerns no guarded
/// mapping goes to the handler that was there before.
void guard(const Mapping& m);
/// Forgets a mapping, before it is unmapped.
void unguard(const Mapping& m);

}  // namespace owl3::gguf
