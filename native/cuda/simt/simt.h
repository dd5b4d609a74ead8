// The words that kernels are written with: one source, which nvcc compiles to PTX (device_words.h) and the host's
// compiler to a simulation on the CPU (host_words.h). Lane l = 4 g + t of a warp; all words that several lanes take part
// in are for whole warps of which no lane has returned.
//
//   thread(), threads(), lane(), warp(), block_x(), block_y(), block_z()
//   barrier(), warp_barrier()           for all threads of the block, of the warp
//   shuffle(v, lane), shuffle_xor(v, mask)
//   shared_memory()                     the block's dynamic shared memory, 16-byte aligned
//   load_once(p)                        16 bytes that nobody reads again
//   opaque(v)                           v, of which the compiler knows nothing before this place
//   mma_s8_k32(c, a, b)                 c [16, 8] += a [16, 32] b [32, 8], int8 to int32; mma_s8_k16 likewise
//   mma_f16(c, a, b), mma_bf16          c [16, 8] += a [16, 16] b [16, 8], 16-bit floats to float
//   load_matrices(r, row)               ldmatrix.x4: four 8 x 8 matrices of 16-bit values; lane l gives the address of
//                                       row l % 8 of matrix l / 8. load_matrices_transposed likewise
//   copy_async(shared, global)          16 bytes; copy_commit() ends a group, copy_wait<n>() waits for all but the last n
//   exp2_fast(x)                        2^x within 2 units in the last place; not the same bits everywhere
//   power_of_two, sigmoid, ...          in kernels/math.cuh: the same bits everywhere
#pragma once
#include "cuda/kernels/types.h"

namespace owl3::cuda::simt {

struct alignas(16) Words4 {
  uint32_t v[4];
};
struct alignas(8) Words2 {
  uint32_t v[2];
};

}  // namespace owl3::cuda::simt

#ifdef __CUDACC__
#include "cuda/simt/device_words.h"
#else
#include "cuda/simt/host_words.h"
#endif
