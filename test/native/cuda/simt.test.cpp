// The simulation itself: what it computes, and what it finds wrong.
#include "cuda/simt/simt.h"

#include "cuda/simulation.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::cuda;
using namespace owl3::test;

namespace {

struct Data {
  float* values;
  int fault;
};

void run_threads(void (*thread)(const void*), uint32_t threads, const Data& data, const simt::Options& options = {},
                 uint32_t shared = 4096) {
  simt::run_as({"a_test", {2}, {threads}, shared, &data, sizeof data}, thread, options);
}

/// The error of a kernel, or "".
std::string failure(void (*thread)(const void*), const Data& data, const simt::Options& options = {},
                    uint32_t shared = 4096) {
  try {
    run_threads(thread, 64, data, options, shared);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// Sums 0 ... threads - 1 over the block; without a barrier (fault 1) some schedules see nonsense.
void sum_block(const void* params) {
  const Data& p = *static_cast<const Data*>(params);
  auto* parts = reinterpret_cast<float*>(simt::shared_memory());
  auto v = static_cast<float>(simt::thread());
  for (int mask = 16; mask > 0; mask /= 2) v += simt::shuffle_xor(v, mask);
  if (simt::lane() == 0) parts[simt::warp()] = v;
  if (p.fault != 1) simt::barrier();
  float sum = 0;
  for (int i = 0; i < simt::threads() / 32; i++) sum += parts[i];
  p.values[simt::block_x() * simt::threads() + simt::thread()] = sum;
}

/// Passes 16-byte words through shared memory, two at a time; fault 1 waits for one group too few.
void copy_through(const void* params) {
  const Data& p = *static_cast<const Data*>(params);
  auto* stage = reinterpret_cast<simt::Words4*>(simt::shared_memory());
  const auto* from = reinterpret_cast<const simt::Words4*>(p.values);
  auto* to = reinterpret_cast<simt::Words4*>(p.values + 2048);
  const int t = simt::thread(), n = simt::threads();
  simt::copy_async(stage + t, from + t);
  simt::copy_commit();
  for (int i = 0; i < 4; i++) {
    if (i < 3) {
      simt::copy_async(stage + (i + 1) % 2 * n + t, from + (i + 1) * n + t);
      simt::copy_commit();
      if (p.fault == 1)
        simt::copy_wait<2>();
      else
        simt::copy_wait<1>();
    } else {
      simt::copy_wait<0>();
    }
    simt::barrier();
    to[i * n + t] = stage[i % 2 * n + (t ^ 33)];
    simt::barrier();
  }
}

}  // namespace

TEST("cuda: shuffles and barriers in every schedule") {
  for (const simt::Options& options : schedules()) {
    std::vector<float> values(2 * 96);
    run_threads(sum_block, 96, {values.data(), 0}, options);
    for (const float v : values) CHECK_EQ(v, 95.f * 96 / 2);
  }
}

TEST("cuda: shared memory begins as NaN, so a missing barrier is seen") {
  std::vector<float> values(2 * 96);
  run_threads(sum_block, 96, {values.data(), 1}, {.schedule = simt::Schedule::first_warp});
  CHECK(std::isnan(values[0]));
}

TEST("cuda: asynchronous copies, and nonsense in what was not waited for") {
  for (const int fault : {0, 1})
    for (const simt::Options& options : schedules()) {
      std::vector<float> values(4096);
      for (size_t i = 0; i < 2048; i++) values[i] = static_cast<float>(i);
      const Data data{values.data(), fault};
      simt::run_as({"copies", {1}, {64}, 64 * 32, &data, sizeof data}, copy_through, options);
      bool right = true;
      for (size_t i = 0; i < 1024; i++)
        right = right && values[2048 + i] == static_cast<float>((i / 256 * 64 + (i / 4 % 64 ^ 33)) * 4 + i % 4);
      CHECK_EQ(right, fault == 0 || options.eager_copies);
    }
}

TEST("cuda: rules that a GPU leaves undefined are errors with kernel, thread and line") {
  const auto other_lines = [](const void*) {
    if (simt::lane() < 3)
      simt::shuffle(1, 0);
    else
      simt::shuffle(1, 0);
  };
  const std::string lines = failure(other_lines, {});
  CHECK(has(lines, "kernel a_test, block 0 0 0, thread 3, simt.test.cpp:") &&
        has(lines, "others wait in simt.test.cpp:"));
  const auto early = [](const void*) {
    if (simt::thread() != 5) simt::shuffle(1, 0);
  };
  CHECK(has(failure(early, {}), "it waits at shuffle for threads that never come (31 of 64"));
  const auto returns = [](const void*) {
    if (simt::thread() == 5) return;
    simt::barrier();
  };
  CHECK(has(failure(returns, {}), "it waits at barrier for threads that never come"));
  const auto unaligned = [](const void* params) { simt::load_once(static_cast<const Data*>(params)->values + 1); };
  alignas(16) float values[8] = {};
  CHECK(has(failure(unaligned, {values, 0}), "no multiple of 16"));
  const auto forgets = [](const void* params) {
    simt::copy_async(simt::shared_memory(), static_cast<const Data*>(params)->values);
  };
  CHECK(has(failure(forgets, {values, 0}), "without having waited"));
  CHECK(has(failure([](const void*) {}, {}, {}, 1 << 20), "more than 48 KiB"));
  const auto throws = [](const void*) { throw Error(ErrorCode::io, "from a kernel"); };
  CHECK_EQ(failure(throws, {}), "from a kernel");
  const Data data = {};
  CHECK_THROWS(simt::run({"no_such_kernel", {}, {32}, 0, &data, sizeof data}), ErrorCode::internal);
  CHECK_THROWS(simt::run({"repack", {}, {32}, 0, &data, sizeof data}), ErrorCode::internal);
  const auto sound = [](const void*) { simt::barrier(); };
  CHECK_EQ(failure(sound, {}), "");  // what was left in the middle is forgotten
}

TEST("cuda: products of tiles as the words say, with int8, half and bfloat16 values") {
  struct Tile {
    uint32_t a[32][4], b[32][2];
    int32_t s8[32][4], s8_k16[32][4];
    float f16[32][4], bf16[32][4];
  };
  static Tile tile;
  std::mt19937 random(3);
  for (auto& lane : tile.a)
    for (uint32_t& w : lane) w = static_cast<uint32_t>(random()) & 0x3fff3fffu;  // finite as halves and bfloat16
  for (auto& lane : tile.b)
    for (uint32_t& w : lane) w = static_cast<uint32_t>(random()) & 0x3fff3fffu;
  simt::run_as({"tiles", {1}, {32}, 0, nullptr, 0}, [](const void*) {
    const int l = simt::lane();
    for (int i = 0; i < 4; i++) {
      tile.s8[l][i] = tile.s8_k16[l][i] = 5;
      tile.f16[l][i] = tile.bf16[l][i] = 1;
    }
    simt::mma_s8_k32(tile.s8[l], tile.a[l], tile.b[l]);
    simt::mma_s8_k16(tile.s8_k16[l], tile.a[l], tile.b[l][0]);
    simt::mma_f16(tile.f16[l], tile.a[l], tile.b[l]);
    simt::mma_bf16(tile.bf16[l], tile.a[l], tile.b[l]);
  });
  const auto byte = [](uint32_t w, int i) { return static_cast<int8_t>(w >> 8 * i); };
  const auto half = [](uint32_t w, int i) { return static_cast<uint16_t>(w >> 16 * i); };
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 8; n++) {
      const int lane = m % 8 * 4 + n / 2, word = m / 8 * 2 + n % 2;
      int32_t wide = 5, narrow = 5;
      for (int k = 0; k < 32; k++) {
        const int product = byte(tile.a[m % 8 * 4 + k % 16 / 4][m / 8 + k / 16 * 2], k % 4) *
                            byte(tile.b[n * 4 + k % 16 / 4][k / 16], k % 4);
        wide += product;
        if (k < 16) narrow += product;
      }
      CHECK_EQ(tile.s8[lane][word], wide);
      CHECK_EQ(tile.s8_k16[lane][word], narrow);
      double f16 = 1, bf16 = 1, size = 1;
      for (int k = 0; k < 16; k++) {
        const uint16_t x = half(tile.a[m % 8 * 4 + k % 8 / 2][m / 8 + k / 8 * 2], k % 2),
                       y = half(tile.b[n * 4 + k % 8 / 2][k / 8], k % 2);
        f16 += double(gguf::f16_to_f32(x)) * gguf::f16_to_f32(y);
        bf16 += double(gguf::bf16_to_f32(x)) * gguf::bf16_to_f32(y);
        size += std::abs(double(gguf::bf16_to_f32(x)) * gguf::bf16_to_f32(y));
      }
      CHECK_NEAR(tile.f16[lane][word], f16, 1e-4);
      CHECK_NEAR(tile.bf16[lane][word], bf16, 1e-5 * size);
    }
}
