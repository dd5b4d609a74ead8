#include "cuda/simt/kernels.h"

#include "cuda/kernels/all.cuh"
#include "cuda/kernels/list.h"

namespace owl3::cuda::simt {
namespace {

#define OWL3_ENTRY(name, Params) {#name, sizeof(Params), [](const void* p) { name(*static_cast<const Params*>(p)); }},
constexpr Kernel all[] = {OWL3_CUDA_KERNELS(OWL3_ENTRY)};
#undef OWL3_ENTRY

}  // namespace

std::span<const Kernel> kernels() {
  return all;
}

}  // namespace owl3::cuda::simt
