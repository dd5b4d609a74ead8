// All kernels as nvcc compiles them: nvcc -cubin -arch=sm_XX -std=c++17 -fmad=false -I native native/cuda/kernels/kernels.cu
#include "cuda/kernels/all.cuh"
