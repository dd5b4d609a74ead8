// The linker keeps one copy of a weak symbol (an inline function, a template) for the whole program. A kernel that used
// one of the standard library or of another room would give everybody the copy compiled for the newest instructions, and
// older machines would die of it. So objects of an instruction set define nothing outside its own namespace.
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/harness.h"

#ifdef __linux__
namespace {

/// The lines that `nm` prints.
std::vector<std::string> symbols(const std::string& object) {
  const std::string command = std::string(OWL3_NM) + " --defined-only --extern-only --format=posix '" + object + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  CHECK(pipe);
  std::vector<std::string> lines;
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), pipe.get())) lines.emplace_back(line.data());
  return lines;
}

/// "avx2" of ".../owl3_cpu_avx2.dir/...".
std::string isa_of(const std::string& object) {
  const std::string before = "owl3_cpu_";
  const size_t begin = object.find(before) + before.size();
  return object.substr(begin, object.find(".dir") - begin);
}

}  // namespace

TEST("cpu: objects of an instruction set define symbols in its namespace only") {
  std::ifstream list(OWL3_ISA_OBJECTS);
  std::string outside;
  size_t objects = 0, inside = 0;
  for (std::string object; std::getline(list, object); objects++) {
    const std::string isa = isa_of(object), ours = "_ZN4owl33cpu" + std::to_string(isa.size()) + isa;
    for (const std::string& symbol : symbols(object)) {
      if (symbol.starts_with(ours)) {
        inside++;
      } else {
        outside += "\n  " + isa + ": " + symbol.substr(0, symbol.find(' '));
      }
    }
  }
  CHECK(objects >= 4 && inside >= objects);
  CHECK_EQ(outside, "");
}
#endif
