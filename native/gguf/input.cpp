#include "gguf/input.h"

#include "base/error.h"

namespace owl3::gguf {

void check_intact(const Mapping& m, const std::string& path) {
  if (damaged(m))
    throw Error(ErrorCode::unreadable, path + ": was cut short, or could not be read, while it was in use");
}

}  // namespace owl3::gguf
