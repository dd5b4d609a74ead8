// The hashes that a GPU is compared with (tools/bench/cuda_hashes.h) are those of the simulation.
#include <fstream>

#include "../../../tools/bench/cuda_hashes.h"
#include "cuda/fake_backend.h"
#include "support/harness.h"

using namespace owl3;

TEST("cuda hashes: the committed list is what the simulation computes") {
  std::ifstream file(OWL3_FIXTURES "/../../tools/bench/cuda_hashes.txt");
  std::vector<std::string> expected;
  for (std::string line; std::getline(file, line);) expected.push_back(line);
  CHECK_EQ(expected.size(), 30u);
  const std::vector<std::string> lines = bench::product_hashes(*test::fake_device());
  CHECK_EQ(lines.size(), expected.size());
  for (size_t i = 0; i < lines.size(); i++) CHECK_EQ(lines[i], expected[i]);
}
