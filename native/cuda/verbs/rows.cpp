#include "cuda/verbs/rows.h"

#include <cmath>
#include <string>

#include "base/error.h"
#include "base/math.h"
#include "cuda/kernels/shapes.h"
#include "cuda/verbs/launch.h"

namespace owl3::cuda {
namespace {

/// Inverse frequencies as the CPU has them (cpu/rope/rope.cpp): the power in double, rounded to float.
void set_frequencies(const ops::RopeShape& s, AnglesParams& p) {
  if (s.head_dim % 2 != 0 || s.head_dim > max_head_dim)
    throw Error(ErrorCode::unsupported, "rotary positions need an even head size of at most " +
                                            std::to_string(max_head_dim) + ", not " + std::to_string(s.head_dim));
  for (int32_t i = 0; i < s.head_dim / 2; i++) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(s.head_dim);
    p.inverse[i] = 1.0f / static_cast<float>(std::pow(double{s.theta}, double{exponent}));
  }
}

void launch_angles(Launcher& launcher, const ops::RopeShape& s, const int32_t* positions, int32_t position,
                   int32_t rows, float* angles) {
  AnglesParams p{.positions = positions, .position = position, .head_dim = s.head_dim, .angles = angles, .inverse = {}};
  set_frequencies(s, p);
  launch(launcher, "rope_angles", {static_cast<uint32_t>(rows)}, rope_threads, p);
}

void launch_rope(Launcher& launcher, int32_t rows, const RopeStoreParams& p) {
  launch(launcher, "rope_store", {static_cast<uint32_t>(rows)}, rope_threads, p,
         static_cast<uint32_t>(rope_floats(p.kv.head_dim)) * sizeof(float));
}

void copy_words(Launcher& launcher, const void* from, void* to, int64_t words) {
  launch(launcher, "copy_words", {static_cast<uint32_t>(divide_up(words, rows_threads))}, rows_threads,
         CopyParams{.from = from, .to = to, .words = words});
}

}  // namespace

void get_rows(Launcher& launcher, const DeviceMatrix& w, const DeviceTable& table, float* y) {
  launch(launcher, "get_rows", {static_cast<uint32_t>(table.extent.rows)}, rows_threads,
         GetRowsParams{.w = w.packed, .ids = table.view.ids, .y = y});
}

/// In words of 16 bytes, of which the table's list and what a backend gives out have whole ones.
void take_ids(Launcher& launcher, const int32_t* ids, const DeviceTable& table) {
  copy_words(launcher, ids, const_cast<int32_t*>(table.view.ids), divide_up(table.extent.rows, 4));
}

void select_rows(Launcher& launcher, const float* x, int64_t cols, const DeviceTable& table, float* y) {
  launch(launcher, "select_rows", {static_cast<uint32_t>(table.extent.wanted)}, rows_threads,
         SelectRowsParams{.x = x, .wanted = table.view.wanted, .cols = static_cast<int32_t>(cols), .y = y});
}

void rope_angles(Launcher& launcher, const ops::RopeShape& shape, const DeviceTable& table, float* angles) {
  launch_angles(launcher, shape, table.view.positions, 0, table.extent.rows, angles);
}

void rope_store(Launcher& launcher, const ops::RopeStoreParams& p, const DeviceTable& table, const KvAddresses& kv,
                const float* angles) {
  RopeStoreParams params{.q = p.q,
                         .ldq = p.ldq,
                         .k = p.k,
                         .v = p.v,
                         .ldk = p.ld,
                         .ldv = p.ld,
                         .head_stride = p.shape.head_dim,
                         .heads = p.shape.heads,
                         .key_shift = p.key_shift,
                         .table = table.view,
                         .kv = kv_view(kv, p.layer, -1),
                         .angles = angles,
                         .crop = -1};
  launch_rope(launcher, table.extent.rows, params);
}

void store_visual(Launcher& launcher, const ops::StoreVisualParams& p, const KvAddresses& kv, float* angles) {
  launch_angles(launcher, p.shape, nullptr, p.position, 1, angles);
  const int32_t d = p.shape.head_dim;
  const int64_t ld = int64_t{2} * d * p.shape.kv_heads;  // [K | V] of each head
  RopeStoreParams params{.q = nullptr,
                         .ldq = 0,
                         .k = p.kv,
                         .v = p.kv + d,
                         .ldk = ld,
                         .ldv = ld,
                         .head_stride = 2 * d,
                         .heads = 0,
                         .key_shift = p.key_shift,
                         .table = {},
                         .kv = kv_view(kv, 0, p.hyper_layer),
                         .angles = angles,
                         .crop = p.crop};
  launch_rope(launcher, kv.shape.crop_tokens, params);
}

void copy_page(Launcher& launcher, const ops::KvShape& shape, const void* from, void* to) {
  copy_words(launcher, from, to, static_cast<int64_t>(page_bytes(shape) / 16));  // head_bytes() are whole words
}

}  // namespace owl3::cuda
