#include "base/isa.h"

#include <cstdint>
#include <cstdlib>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif

#include "base/error.h"

namespace owl3 {
namespace {

struct Features {
  bool avx2 = false, avxvnni = false, avx512 = false, avx512bf16 = false, amx = false, neon = false, i8mm = false;
  bool intel = false;
};

#if defined(__x86_64__)
uint64_t enabled_state() {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (static_cast<uint64_t>(hi) << 32) | lo;
}

/// Linux grants the 8 KiB of tile registers on request only (arch/x86: "dynamically enabled features").
bool request_tiles() {
#ifdef __linux__
  constexpr int arch_req_xcomp_perm = 0x1023, xfeature_xtiledata = 18;
  return syscall(SYS_arch_prctl, arch_req_xcomp_perm, xfeature_xtiledata) == 0;
#else
  return false;
#endif
}

Features detect() {
  Features f;
  uint32_t a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return f;
  f.intel = b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool osxsave = c >> 27 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1;
  if (!osxsave) return f;
  const uint64_t state = enabled_state();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6, tiles = (state & 0x60000) == 0x60000;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  f.avx2 = ymm && fma && f16c && (b >> 5 & 1);
  const bool f512 = b >> 16 & 1, dq = b >> 17 & 1, bw = b >> 30 & 1, vl = b >> 31 & 1, vnni = c >> 11 & 1;
  f.avx512 = f.avx2 && zmm && f512 && dq && bw && vl && vnni;
  const bool amx_bf16 = d >> 22 & 1, amx_tile = d >> 24 & 1, amx_int8 = d >> 25 & 1;
  uint32_t a1 = 0, b1, c1, d1;
  if (a >= 1) __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
#ifdef OWL3_HAVE_AVXVNNI
  f.avxvnni = f.avx2 && (a1 >> 4 & 1);
#endif
#ifdef OWL3_HAVE_AVX512BF16
  f.avx512bf16 = f.avx512 && (a1 >> 5 & 1);
#endif
#ifdef OWL3_HAVE_AMX
  f.amx = f.avx512bf16 && tiles && amx_bf16 && amx_tile && amx_int8 && request_tiles();
#endif
  return f;
}
#elif defined(__aarch64__)
Features detect() {
  Features f;
#if defined(__linux__)
  constexpr unsigned long hwcap_asimddp = 1ul << 20, hwcap2_i8mm = 1ul << 13;
  f.neon = getauxval(AT_HWCAP) & hwcap_asimddp;
  f.i8mm = f.neon && (getauxval(AT_HWCAP2) & hwcap2_i8mm);
#elif defined(__APPLE__)
  f.neon = true;  // every Apple silicon Mac has it; i8mm came with the M2
  int has = 0;
  size_t size = sizeof has;
  f.i8mm = sysctlbyname("hw.optional.arm.FEAT_I8MM", &has, &size, nullptr, 0) == 0 && has != 0;
#endif
  return f;
}
#else
Features detect() {
  return {};
}
#endif

const Features& features() {
  static const Features f = detect();
  return f;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avxvnni:
      return "avxvnni";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512bf16:
      return "avx512bf16";
    case Isa::amx:
      return "amx";
    case Isa::neon:
      return "neon";
    case Isa::i8mm:
      return "i8mm";
  }
  return "scalar";
}

bool isa_available(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return true;
    case Isa::avx2:
      return features().avx2;
    case Isa::avxvnni:
      return features().avxvnni;
    case Isa::avx512:
      return features().avx512;
    case Isa::avx512bf16:
      return features().avx512bf16;
    case Isa::amx:
      return features().amx;
    case Isa::neon:
      return features().neon;
    case Isa::i8mm:
      return features().i8mm;
  }
  return false;
}

bool made_by_intel() {
  return features().intel;
}

Isa choose_isa() {
  const char* forced = std::getenv("OWL3_ISA");
  Isa best = Isa::scalar;
  for (const Isa isa : all_isas) {
    if (forced && *forced) {
      if (std::string(forced) != isa_name(isa)) continue;
      if (isa_available(isa)) return isa;
      throw Error(ErrorCode::unsupported, std::string("OWL3_ISA=") + forced + ": this machine can't run " + forced);
    }
    if (isa_available(isa)) best = isa;
  }
  if (forced && *forced) {
    throw Error(
        ErrorCode::invalid_argument,
        std::string("OWL3_ISA=") + forced + ": expected scalar, avx2, avxvnni, avx512, avx512bf16, amx, neon or i8mm");
  }
  return best;
}

Isa default_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

}  // namespace owl3
