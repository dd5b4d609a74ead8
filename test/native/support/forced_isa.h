// OWL3_ISA set for as long as an object lives.
#pragma once
#include <cstdlib>
#include <optional>
#include <string>

namespace owl3::test {

class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* before = std::getenv("OWL3_ISA")) before_ = before;
    setenv("OWL3_ISA", name, 1);
  }
  ~ForcedIsa() {
    if (before_)
      setenv("OWL3_ISA", before_->c_str(), 1);
    else
      unsetenv("OWL3_ISA");
  }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  std::optional<std::string> before_;
};

}  // namespace owl3::test
