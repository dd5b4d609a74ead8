// The only list of kernels: X(name, struct of its parameter). Each is `extern "C" __global__ void name(const Params)`.
#pragma once
#include "cuda/kernels/params.h"

#define OWL3_CUDA_KERNELS(X)               \
  X(repack, RepackParams)                  \
  X(rows_int8, RowsParams)                 \
  X(rows_f16, RowsParams)                  \
  X(rows_bf16, RowsParams)                 \
  X(rows_f32, RowsParams)                  \
  X(product_plain, ProductParams)          \
  X(gemv_f16, ProductParams)               \
  X(gemv_bf16, ProductParams)              \
  X(gemv_q8_0, ProductParams)              \
  X(gemv_q4_0, ProductParams)              \
  X(gemv_q5_0, ProductParams)              \
  X(gemv_q4_k, ProductParams)              \
  X(gemv_q5_k, ProductParams)              \
  X(gemv_q6_k, ProductParams)              \
  X(gemv32_f16, ProductParams)             \
  X(gemv32_bf16, ProductParams)            \
  X(gemv32_q8_0, ProductParams)            \
  X(gemv32_q4_0, ProductParams)            \
  X(gemv32_q5_0, ProductParams)            \
  X(gemv32_q4_k, ProductParams)            \
  X(gemv32_q5_k, ProductParams)            \
  X(gemv32_q6_k, ProductParams)            \
  X(gemm_f16, ProductParams)               \
  X(gemm_bf16, ProductParams)              \
  X(gemm_q8_0, ProductParams)              \
  X(gemm_q4_0, ProductParams)              \
  X(gemm_q5_0, ProductParams)              \
  X(gemm_q4_k, ProductParams)              \
  X(gemm_q5_k, ProductParams)              \
  X(gemm_q6_k, ProductParams)              \
  X(rope_angles, AnglesParams)             \
  X(rope_store, RopeStoreParams)           \
  X(copy_words, CopyParams)                \
  X(attention_plain, AttentionParams)      \
  X(attention_64, AttentionParams)         \
  X(attention_128, AttentionParams)        \
  X(attention_merge, AttentionParams)      \
  X(vision_plain, VisionAttentionParams)   \
  X(vision_one_32, VisionAttentionParams)  \
  X(vision_two_32, VisionAttentionParams)  \
  X(vision_one_64, VisionAttentionParams)  \
  X(vision_two_64, VisionAttentionParams)  \
  X(vision_one_80, VisionAttentionParams)  \
  X(vision_two_80, VisionAttentionParams)  \
  X(vision_one_128, VisionAttentionParams) \
  X(vision_two_128, VisionAttentionParams) \
  X(get_rows, GetRowsParams)               \
  X(select_rows, SelectRowsParams)         \
  X(patchify, PatchifyParams)              \
  X(pick_chunks, PickParams)               \
  X(pick_sum, PickSumParams)
