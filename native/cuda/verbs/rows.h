// Rows of the embedding, rows whose logits are wanted, and keys and values of new rows.
#pragma once
#include "cuda/launch.h"
#include "cuda/verbs/kv_layout.h"
#include "cuda/verbs/matrix.h"
#include "cuda/verbs/table.h"
#include "ops/backend.h"

namespace owl3::cuda {

/// ops::Backend::get_rows.
void get_rows(Launcher& launcher, const DeviceMatrix& w, const DeviceTable& table, float* y);
/// Puts `ids` [rows] in the place of the table's.
void take_ids(Launcher& launcher, const int32_t* ids, const DeviceTable& table);
/// ops::Backend::select_rows.
void select_rows(Launcher& launcher, const float* x, int64_t cols, const DeviceTable& table, float* y);

/// Cosines and sines of the table's rows, [rows, head_dim], with the bits that the CPU has. Error{unsupported} for an odd
/// head size or one above 256.
void rope_angles(Launcher& launcher, const ops::RopeShape& shape, const DeviceTable& table, float* angles);
/// ops::Backend::rope_store, with the rows' `angles`.
void rope_store(Launcher& launcher, const ops::RopeStoreParams& p, const DeviceTable& table, const KvAddresses& kv,
                const float* angles);
/// ops::Backend::store_visual; `p.store` is not looked at, and `angles` [head_dim] is room for them. Errors as
/// rope_angles.
void store_visual(Launcher& launcher, const ops::StoreVisualParams& p, const KvAddresses& kv, float* angles);
/// Copies a page to another one; both are device addresses.
void copy_page(Launcher& launcher, const ops::KvShape& shape, const void* from, void* to);

}  // namespace owl3::cuda
