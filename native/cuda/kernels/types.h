// Plain data and its helpers need these in both compilers. A compiler as a library (NVRTC) has no <cstdint>.
#pragma once
#ifdef __CUDACC_RTC__
using int8_t = signed char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned int;
using int64_t = long long;
using uint64_t = unsigned long long;
#else
#include <cstdint>
#endif

/// Marks a function that the host and kernels call.
#ifdef __CUDACC__
#define OWL3_BOTH __host__ __device__
#else
#define OWL3_BOTH
#endif
