// Where test/fixtures lies.
#pragma once
#include <string>

namespace owl3::test {
inline std::string fixture(const std::string& name) {
  return std::string(OWL3_FIXTURES "/") + name;
}
}  // namespace owl3::test
