// The plugin owl3-cuda.node: the backend with its compiled kernels, over the driver of the machine.
#include "ops/plugin.h"

#include <cstring>

#include "cuda/driver/library.h"
#include "cuda/family.h"

#ifdef _WIN32
#error "the kernels are embedded by GNU assembler"
#endif

// The compiled kernels as the bytes of their file.
asm(".section .rodata\n"
    ".balign 64\n"
    ".local owl3_cuda_image\n"
    "owl3_cuda_image:\n"
    ".incbin \"" OWL3_CUDA_KERNELS
    "\"\n"
    ".byte 0\n"
    ".previous\n");
extern "C" __attribute__((visibility("hidden"))) const unsigned char owl3_cuda_image[];

extern "C" __attribute__((visibility("default"))) const owl3::ops::DeviceFamily* owl3_plugin(const char* abi) {
  if (std::strcmp(abi, OWL3_ABI) != 0) return nullptr;
  static const owl3::cuda::CudaFamily family("cuda", {owl3_cuda_image, OWL3_CUDA_VERSION},
                                             owl3::cuda::driver::load_library);
  return &family;
}
