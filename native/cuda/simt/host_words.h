// The words of simt.h on the CPU (host.h says how).
#pragma once
#include <cmath>
#include <cstring>

#include "cuda/simt/fiber.h"
#include "gguf/half.h"

#define OWL3_DEVICE inline
#define OWL3_KERNEL(threads, blocks) extern "C" void

namespace owl3::cuda::simt {

inline int thread() {
  return static_cast<int>(self().thread);
}
inline int threads() {
  return static_cast<int>(self().block->size.x);
}
inline int lane() {
  return static_cast<int>(self().lane);
}
inline int warp() {
  return static_cast<int>(self().warp);
}
inline int block_x() {
  return static_cast<int>(self().block->index.x);
}
inline int block_y() {
  return static_cast<int>(self().block->index.y);
}
inline int block_z() {
  return static_cast<int>(self().block->index.z);
}
inline unsigned char* shared_memory() {
  return self().block->shared.get();
}

#define OWL3_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void barrier(OWL3_PLACE) {
  Block& b = *self().block;
  meet(b.barrier, static_cast<uint32_t>(b.fibers.size()), {"barrier", file, line}, nullptr);
}

/// Every lane puts `in` down, the last one to come calls `act`; returns the slots of all lanes.
template <class T>
const Slot* meet_warp(const T& in, const Place& place, void (*act)(Slot*) = nullptr) {
  static_assert(sizeof(T) <= sizeof(Slot));
  Fiber& f = self();
  Meeting& m = f.block->meetings[f.warp];
  Slot* slots = m.slots[m.generation & 1];
  std::memcpy(&slots[f.lane], &in, sizeof in);
  meet(m, warp_lanes, place, act);
  return slots;
}
template <class T>
T taken(const Slot& slot) {
  T value;
  std::memcpy(&value, &slot, sizeof value);
  return value;
}

inline void warp_barrier(OWL3_PLACE) {
  meet_warp(0, {"warp_barrier", file, line});
}
template <class T>
T shuffle(T v, int lane, OWL3_PLACE) {
  return taken<T>(meet_warp(v, {"shuffle", file, line})[lane & 31]);
}
template <class T>
T shuffle_xor(T v, int mask, OWL3_PLACE) {
  const uint32_t from = self().lane ^ static_cast<uint32_t>(mask);
  return taken<T>(meet_warp(v, {"shuffle_xor", file, line})[from & 31]);
}

inline void check_aligned(const void* p, const char* what, const char* file, int line) {
  if (reinterpret_cast<uintptr_t>(p) % 16 != 0)
    broken(self(), {what, file, line}, "an address that is no multiple of 16");
}
inline Words4 load_once(const void* p, OWL3_PLACE) {
  check_aligned(p, "load_once", file, line);
  Words4 w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

inline int opaque(int v) {
  return v;
}
inline float as_float(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
inline uint32_t as_bits(float x) {
  return __builtin_bit_cast(uint32_t, x);
}
inline float half_to_float(uint16_t h) {
  return gguf::f16_to_f32(h);
}
inline uint16_t float_to_half(float f) {
  return gguf::f32_to_f16(f);
}
inline float exp2_fast(float x) {
  return std::exp2(x);
}
inline float round_even(float x) {
  return std::nearbyint(x);
}

/// The words that a lane gives to a product, and where the last one leaves the sums.
struct Operands {
  uint32_t a[4], b[2];
};

/// Lane 4 g + t holds columns 4 t ... of rows g (words 0, 2) and g + 8 (1, 3) of a, of column g of b, and rows g and g + 8
/// and their columns 2 t, 2 t + 1 of c.
template <int K>
void multiply_s8(Slot* slots) {
  int8_t a[16][K], b[8][K];
  int32_t c[16][8];
  for (uint32_t l = 0; l < warp_lanes; l++) {
    const Operands o = taken<Operands>(slots[l]);
    for (uint32_t r = 0; r < K / 8; r++) std::memcpy(&a[l / 4 + r % 2 * 8][l % 4 * 4 + r / 2 * 16], &o.a[r], 4);
    for (uint32_t r = 0; r < K / 16; r++) std::memcpy(&b[l / 4][l % 4 * 4 + r * 16], &o.b[r], 4);
  }
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 8; n++) {
      int32_t sum = 0;
      for (int k = 0; k < K; k++) sum += a[m][k] * b[n][k];
      c[m][n] = sum;
    }
  for (uint32_t l = 0; l < warp_lanes; l++)
    for (uint32_t r = 0; r < 4; r++) std::memcpy(slots[l].bytes + 4 * r, &c[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2], 4);
}
/// Likewise with pairs of 16-bit floats: columns 2 t, 2 t + 1 (words 0, 1) and 2 t + 8, 2 t + 9 (2, 3).
template <float (*Float)(uint16_t)>
void multiply_half(Slot* slots) {
  float a[16][16], b[16][8], c[16][8] = {};
  for (uint32_t l = 0; l < warp_lanes; l++) {
    const Operands o = taken<Operands>(slots[l]);
    for (uint32_t h = 0; h < 2; h++) {
      for (uint32_t r = 0; r < 4; r++)
        a[l / 4 + r % 2 * 8][l % 4 * 2 + h + r / 2 * 8] = Float(static_cast<uint16_t>(o.a[r] >> 16 * h));
      for (uint32_t r = 0; r < 2; r++) b[l % 4 * 2 + h + r * 8][l / 4] = Float(static_cast<uint16_t>(o.b[r] >> 16 * h));
    }
  }
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++)
      for (int n = 0; n < 8; n++) c[m][n] += a[m][k] * b[k][n];
  for (uint32_t l = 0; l < warp_lanes; l++)
    for (uint32_t r = 0; r < 4; r++) std::memcpy(slots[l].bytes + 4 * r, &c[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2], 4);
}

template <class T>
void add_product(T* c, const Operands& o, void (*multiply)(Slot*), const Place& place) {
  const Slot* slots = meet_warp(o, place, multiply);
  const unsigned char* own = slots[self().lane].bytes;
  for (int r = 0; r < 4; r++) {
    T sum;
    std::memcpy(&sum, own + 4 * r, 4);
    c[r] += sum;
  }
}
inline void mma_s8_k32(int32_t* c, const uint32_t* a, const uint32_t* b, OWL3_PLACE) {
  add_product(c, {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, multiply_s8<32>, {"mma_s8_k32", file, line});
}
inline void mma_s8_k16(int32_t* c, const uint32_t* a, uint32_t b, OWL3_PLACE) {
  add_product(c, {{a[0], a[1], 0, 0}, {b, 0}}, multiply_s8<16>, {"mma_s8_k16", file, line});
}
inline void mma_f16(float* c, const uint32_t* a, const uint32_t* b, OWL3_PLACE) {
  add_product(c, {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, multiply_half<gguf::f16_to_f32>, {"mma_f16", file, line});
}
inline void mma_bf16(float* c, const uint32_t* a, const uint32_t* b, OWL3_PLACE) {
  add_product(c, {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, multiply_half<gguf::bf16_to_f32>, {"mma_bf16", file, line});
}

inline void load_matrices(uint32_t* r, const void* row, OWL3_PLACE) {
  check_aligned(row, "load_matrices", file, line);
  const Slot* rows = meet_warp(row, {"load_matrices", file, line});
  const uint32_t l = self().lane;
  for (uint32_t i = 0; i < 4; i++)
    std::memcpy(&r[i], static_cast<const char*>(taken<const void*>(rows[i * 8 + l / 4])) + l % 4 * 4, 4);
}
inline void load_matrices_transposed(uint32_t* r, const void* row, OWL3_PLACE) {
  check_aligned(row, "load_matrices_transposed", file, line);
  const Slot* rows = meet_warp(row, {"load_matrices_transposed", file, line});
  const uint32_t l = self().lane;
  for (uint32_t i = 0; i < 4; i++)
    for (uint32_t h = 0; h < 2; h++)
      std::memcpy(reinterpret_cast<char*>(&r[i]) + 2 * h,
                  static_cast<const char*>(taken<const void*>(rows[i * 8 + l % 4 * 2 + h])) + l / 4 * 2, 2);
}

inline void copy_async(void* shared, const void* global, OWL3_PLACE) {
  check_aligned(shared, "copy_async", file, line);
  check_aligned(global, "copy_async", file, line);
  Fiber& f = self();
  if (f.block->options.eager_copies) {
    std::memcpy(shared, global, 16);
    return;
  }
  std::memset(shared, 0xff, 16);
  f.open.push_back({shared, global});
}
inline void copy_commit() {
  Fiber& f = self();
  if (f.block->options.eager_copies) return;
  f.groups.push_back(std::move(f.open));
  f.open.clear();
}
template <size_t N>
void copy_wait() {
  Fiber& f = self();
  while (f.groups.size() > N) {
    for (const Copy& c : f.groups.front()) std::memcpy(c.to, c.from, 16);
    f.groups.erase(f.groups.begin());
  }
}

}  // namespace owl3::cuda::simt
