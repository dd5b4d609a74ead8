// Prints the hashes of cuda_hashes.h as a device has them: cuda_hashes DEVICE ("cuda", "cuda-sim"). Its plugin lies beside
// this program.
#include "cuda_hashes.h"

#include "backends/backends.h"
#include "base/error.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cuda_hashes DEVICE\n");
    return 2;
  }
  try {
    const auto device = owl3::backends::make_backend(argv[1], {});
    for (const std::string& line : owl3::bench::product_hashes(*device)) std::printf("%s\n", line.c_str());
  } catch (const owl3::Error& e) {
    std::fprintf(stderr, "cuda_hashes: %s\n", e.what());
    return 1;
  }
}
