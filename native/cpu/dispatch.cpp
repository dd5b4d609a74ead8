#include "cpu/dispatch.h"

#include "base/error.h"

namespace owl3::cpu {

// The exports of the kernel files, each in the namespaces of the instruction sets that CMakeLists.txt compiles it for.
#define OWL3_EXPORTS(isa)                                          \
  namespace isa {                                                  \
  extern const gemm::Kernels gemm_kernels;                         \
  extern const gemm::Multiply<gemm::F32Rows> gemv_f32;             \
  extern const gemm::ByFetch<gemm::Int8Rows> gemv_int8;            \
  extern const gemm::ByFetch<gemm::PairRows> gemv_pairs;           \
  extern const gemm::Product<gemm::PairRows> gemm_pairs;           \
  extern const gemm::Product<gemm::Int8Rows> gemm_int8;            \
  extern const gemm::Multiply<gemm::Int8Rows> gemm_int8_residuals; \
  extern const gemm::Product<gemm::Bf16Rows> gemm_bf16;            \
  extern const gemm::Product<gemm::Int16Rows> gemm_int16;          \
  extern const attention::Kernels attention_kernels;               \
  extern const attention::Vision attention_vision;                 \
  extern const rope::Kernels rope_kernels;                         \
  extern const peaks::Loops peak_loops;                            \
  extern double (*const peak_int8)(int64_t);                       \
  extern double (*const peak_bf16)(int64_t);                       \
  }
OWL3_EXPORTS(scalar)
OWL3_EXPORTS(avx2)
OWL3_EXPORTS(avxvnni)
OWL3_EXPORTS(avx512)
OWL3_EXPORTS(avx512bf16)
OWL3_EXPORTS(amx)
OWL3_EXPORTS(neon)
OWL3_EXPORTS(i8mm)
#undef OWL3_EXPORTS

/// AMD's processors with AVX-512 (Zen 4) fetch lines better themselves.
gemm::Fetch best_fetch() {
  const bool zen3_or_before = isa_available(Isa::avx2) && !isa_available(Isa::avx512);
  return made_by_intel() || zen3_or_before ? gemm::Fetch::lines : gemm::Fetch::pages;
}

/// An instruction set is the one before it, with what it does better.
Kernels kernels_of(Isa isa, gemm::Fetch fetch) {
  const auto by_fetch = [&](const auto& gemv) { return fetch == gemm::Fetch::lines ? gemv.lines : gemv.pages; };
  Kernels k{scalar::gemm_kernels, scalar::attention_kernels, scalar::rope_kernels, scalar::peak_loops};
  k.gemm.int8 = scalar::gemm_int8;
  k.gemm.int8_residuals = scalar::gemm_int8_residuals;
  Isa built = Isa::scalar;
#if defined(__x86_64__)
  if (isa >= Isa::avx2) {
    k = {avx2::gemm_kernels, avx2::attention_kernels, avx2::rope_kernels, avx2::peak_loops};
    k.gemm.int8 = avx2::gemm_int8;    // vpmaddubsw
    k.gemm.pairs = avx2::gemm_pairs;  // vpmaddwd
    k.gemm.gemv = {.int8 = by_fetch(avx2::gemv_int8), .pairs = by_fetch(avx2::gemv_pairs), .f32 = avx2::gemv_f32};
    k.attention.vision.bf16 = avx2::attention_vision.bf16;  // int16
    k.peaks.int8 = avx2::peak_int8;
    built = Isa::avx2;
  }
#endif
#ifdef OWL3_HAVE_AVXVNNI
  if (isa >= Isa::avxvnni) {  // vpdpbusd
    k.gemm.pairs = {};
    k.gemm.int8 = avxvnni::gemm_int8;
    k.gemm.int8_residuals = avxvnni::gemm_int8_residuals;
    k.gemm.unsigned_q8 = true;
    k.gemm.gemv.pairs = nullptr;
    k.gemm.gemv.int8 = by_fetch(avxvnni::gemv_int8);
    k.peaks.int8 = avxvnni::peak_int8;
    built = Isa::avxvnni;
  }
#endif
#if defined(__x86_64__)
  if (isa >= Isa::avx512) {
    k = {avx512::gemm_kernels, avx512::attention_kernels, avx512::rope_kernels, avx512::peak_loops};
    k.gemm.int8 = avx512::gemm_int8;  // vpdpbusd
    k.gemm.int8_residuals = avx512::gemm_int8_residuals;
    k.gemm.unsigned_q8 = true;
    k.gemm.gemv = {.int8 = by_fetch(avx512::gemv_int8), .pairs = nullptr, .f32 = avx512::gemv_f32};
    k.peaks.int8 = avx512::peak_int8;
    k.gemm.int16 = avx512::gemm_int16;              // vpdpwssd
    k.attention.vision = avx512::attention_vision;  // twelve rows at a time
    built = Isa::avx512;
  }
#endif
#ifdef OWL3_HAVE_AVX512BF16
  if (isa >= Isa::avx512bf16) {  // vdpbf16ps
    k.attention.vision.bf16 = avx512bf16::attention_vision.bf16;
    k.peaks.bf16 = avx512bf16::peak_bf16;
    built = Isa::avx512bf16;
  }
#endif
#ifdef OWL3_HAVE_AMX
  if (isa >= Isa::amx) {  // tiles
    k.gemm.int8 = amx::gemm_int8;
    k.gemm.bf16 = amx::gemm_bf16;
    k.gemm.int16 = {};
    k.gemm.bulk_quants_bf16 = true;
    k.attention.vision.split = amx::attention_vision.split;
    k.attention.vision.bf16 = amx::attention_vision.bf16;
    k.peaks.int8 = amx::peak_int8;
    k.peaks.bf16 = amx::peak_bf16;
    built = Isa::amx;
  }
#endif
#if defined(__aarch64__)
  if (isa >= Isa::neon) {
    k = {neon::gemm_kernels, neon::attention_kernels, neon::rope_kernels, neon::peak_loops};
    k.gemm.int8 = neon::gemm_int8;  // sdot
    k.gemm.int8_residuals = neon::gemm_int8_residuals;
    k.gemm.gemv = {.int8 = by_fetch(neon::gemv_int8), .pairs = nullptr, .f32 = neon::gemv_f32};
    k.peaks.int8 = neon::peak_int8;
    built = Isa::neon;
  }
  if (isa >= Isa::i8mm) {  // smmla
    k.gemm.int8 = i8mm::gemm_int8;
    k.peaks.int8 = i8mm::peak_int8;
    built = Isa::i8mm;
  }
#endif
  if (built != isa) throw Error(ErrorCode::unsupported, std::string("this build has no kernels for ") + isa_name(isa));
  return k;
}

}  // namespace owl3::cpu
