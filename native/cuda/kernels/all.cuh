// This brings in every kernel.
#pragma once
#include "cuda/kernels/attention.cuh"
#include "cuda/kernels/attention_mma.cuh"
#include "cuda/kernels/gemm.cuh"
#include "cuda/kernels/norm.cuh"
#include "cuda/kernels/pick.cuh"
#include "cuda/kernels/repack.cuh"
#include "cuda/kernels/rope.cuh"
#include "cuda/kernels/rows.cuh"
#include "cuda/kernels/vision_mma.cuh"
