// The words of simt.h as PTX. Devices before sm_80 (Turing) have no cp.async, no bfloat16 and smaller products, which
// are put together here to the same sums.
#pragma once

#define OWL3_DEVICE __device__ __forceinline__
#define OWL3_KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

namespace owl3::cuda::simt {

OWL3_DEVICE int thread() {
  return static_cast<int>(threadIdx.x);
}
OWL3_DEVICE int threads() {
  return static_cast<int>(blockDim.x);
}
OWL3_DEVICE int lane() {
  return static_cast<int>(threadIdx.x & 31);
}
OWL3_DEVICE int warp() {
  return static_cast<int>(threadIdx.x >> 5);
}
OWL3_DEVICE int block_x() {
  return static_cast<int>(blockIdx.x);
}
OWL3_DEVICE int block_y() {
  return static_cast<int>(blockIdx.y);
}
OWL3_DEVICE int block_z() {
  return static_cast<int>(blockIdx.z);
}

OWL3_DEVICE void barrier() {
  __syncthreads();
}
OWL3_DEVICE void warp_barrier() {
  __syncwarp();
}
template <class T>
OWL3_DEVICE T shuffle(T v, int lane) {
  return __shfl_sync(~0u, v, lane);
}
template <class T>
OWL3_DEVICE T shuffle_xor(T v, int mask) {
  return __shfl_xor_sync(~0u, v, mask);
}

extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];
OWL3_DEVICE unsigned char* shared_memory() {
  return dynamic_shared_memory;
}
OWL3_DEVICE uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

OWL3_DEVICE Words4 load_once(const void* p) {
  Words4 w;
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
      : "=r"(w.v[0]), "=r"(w.v[1]), "=r"(w.v[2]), "=r"(w.v[3])
      : "l"(p));
  return w;
}

OWL3_DEVICE int opaque(int v) {
  asm volatile("" : "+r"(v));
  return v;
}
OWL3_DEVICE float as_float(uint32_t bits) {
  return __uint_as_float(bits);
}
OWL3_DEVICE uint32_t as_bits(float x) {
  return __float_as_uint(x);
}

OWL3_DEVICE float half_to_float(uint16_t h) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
  return f;
}
OWL3_DEVICE uint16_t float_to_half(float f) {
  uint16_t h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
  return h;
}

OWL3_DEVICE float exp2_fast(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
OWL3_DEVICE float round_even(float x) {
  return rintf(x);
}

// Products are volatile although they only compute: a compiler must not move one to where lanes have parted.
#if __CUDA_ARCH__ >= 800
OWL3_DEVICE void mma_s8_k32(int32_t* c, const uint32_t* a, const uint32_t* b) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
OWL3_DEVICE void mma_s8_k16(int32_t* c, const uint32_t* a, uint32_t b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(b));
}
OWL3_DEVICE void mma_f16(float* c, const uint32_t* a, const uint32_t* b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
OWL3_DEVICE void mma_bf16(float* c, const uint32_t* a, const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
OWL3_DEVICE void copy_async(void* shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global) : "memory");
}
OWL3_DEVICE void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int N>
OWL3_DEVICE void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#else
OWL3_DEVICE void mma_s8_m8(int32_t* c, uint32_t a, uint32_t b) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(c[0]), "+r"(c[1])
               : "r"(a), "r"(b));
}
OWL3_DEVICE void mma_s8_k16(int32_t* c, const uint32_t* a, uint32_t b) {
  mma_s8_m8(c, a[0], b);
  mma_s8_m8(c + 2, a[1], b);
}
OWL3_DEVICE void mma_s8_k32(int32_t* c, const uint32_t* a, const uint32_t* b) {
  mma_s8_k16(c, a, b[0]);
  mma_s8_k16(c, a + 2, b[1]);
}
OWL3_DEVICE void mma_f16(float* c, const uint32_t* a, const uint32_t* b) {
#pragma unroll
  for (int i = 0; i < 2; i++)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[2 * i]), "r"(a[2 * i + 1]), "r"(b[i]));
}
/// By shuffles and float products: right, and slow.
OWL3_DEVICE void mma_bf16(float* c, const uint32_t* a, const uint32_t* b) {
  const int g = lane() >> 2, t = lane() & 3;
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int i = 0; i < 4; i++) {  // columns 8 half + 2 i and the one after it
      const uint32_t low = __shfl_sync(~0u, a[2 * half], 4 * g + i),
                     high = __shfl_sync(~0u, a[2 * half + 1], 4 * g + i);
      const uint32_t even = __shfl_sync(~0u, b[half], 8 * t + i), odd = __shfl_sync(~0u, b[half], 8 * t + 4 + i);
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const auto value = [j](uint32_t pair) { return __uint_as_float(j == 0 ? pair << 16 : pair & 0xffff0000u); };
        c[0] = fmaf(value(low), value(even), c[0]);
        c[1] = fmaf(value(low), value(odd), c[1]);
        c[2] = fmaf(value(high), value(even), c[2]);
        c[3] = fmaf(value(high), value(odd), c[3]);
      }
    }
}
OWL3_DEVICE void copy_async(void* shared, const void* global) {
  *static_cast<Words4*>(shared) = *static_cast<const Words4*>(global);
}
OWL3_DEVICE void copy_commit() {}
template <int N>
OWL3_DEVICE void copy_wait() {}
#endif

OWL3_DEVICE void load_matrices(uint32_t* r, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
OWL3_DEVICE void load_matrices_transposed(uint32_t* r, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

}  // namespace owl3::cuda::simt
