#include <cstdio>
#include <cstring>
#include <exception>

#include "support/harness.h"

int main(int argc, char** argv) {
  using namespace owl3::test;
  if (argc > 1 && std::strcmp(argv[1], "--list") == 0) {
    for (const Case& c : cases()) std::printf("%s\n", c.name.c_str());
    return 0;
  }
  int passed = 0, failed = 0;
  for (const Case& c : cases()) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; i++) wanted = wanted || c.name.starts_with(argv[i]);
    if (!wanted) continue;
    try {
      c.run();
      passed++;
      std::printf("ok   %s\n", c.name.c_str());
    } catch (const std::exception& e) {
      failed++;
      std::printf("FAIL %s: %s\n", c.name.c_str(), e.what());
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
