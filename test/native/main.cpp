// native_tests [--list] [--part K/N] [PREFIX...] runs the tests whose names begin so, or all; of these every N-th, from the K-th on,
// so that N processes share them.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "support/harness.h"

int main(int argc, char** argv) {
  using namespace owl3::test;
  std::vector<std::string> prefixes;
  int part = 0, parts = 1;
  bool list = false;
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--list") == 0) {
      list = true;
    } else if (std::strcmp(argv[i], "--part") == 0) {
      if (++i == argc || std::sscanf(argv[i], "%d/%d", &part, &parts) != 2 || part < 0 || part >= parts) {
        std::fprintf(stderr, "--part takes K/N, and K counts from 0.\n");
        return 2;
      }
    } else {
      prefixes.emplace_back(argv[i]);
    }
  }
  int passed = 0, failed = 0, wanted = 0;
  for (const Case& c : cases()) {
    bool named = prefixes.empty();
    for (const std::string& prefix : prefixes) named = named || c.name.starts_with(prefix);
    if (!named || wanted++ % parts != part) continue;
    if (list) {
      std::printf("%s\n", c.name.c_str());
      continue;
    }
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
  if (list) return 0;
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
