// The instruction sets that we have kernels for, and which of them this machine can run.
#pragma once
#include <string>

namespace owl3 {

/// On x86 each instruction set does what those before it do: the kernels of AVX-512 need none of AVX-VNNI. i8mm
/// includes neon.
enum class Isa {
  scalar,      ///< the base instruction set of the build
  avx2,        ///< AVX2, FMA and F16C
  avxvnni,     ///< AVX2 and AVX-VNNI (vpdpbusd on registers of 256 bits)
  avx512,      ///< AVX-512 F, BW, DQ, VL and VNNI
  avx512bf16,  ///< AVX-512 BF16 (vdpbf16ps)
  amx,         ///< AMX-INT8 and AMX-BF16; the system must grant the tile registers
  neon,        ///< aarch64 with the dot product extension
  i8mm         ///< and with the matrix products of int8 (smmla)
};
/// All instruction sets, in that order.
constexpr Isa all_isas[] = {Isa::scalar,     Isa::avx2, Isa::avxvnni, Isa::avx512,
                            Isa::avx512bf16, Isa::amx,  Isa::neon,    Isa::i8mm};

const char* isa_name(Isa isa);
bool isa_available(Isa isa);
/// Whether the processor is Intel's. Its hardware prefetch differs from that of others with the same instructions.
bool made_by_intel();
/// The best available instruction set, or the one that the environment variable OWL3_ISA names. Errors: invalid_argument
/// for an unknown name, unsupported for one that can't run here.
Isa choose_isa();
/// The first choose_isa() of the process, kept: for calls that are frequent or that run beside JavaScript, which may be
/// writing to the environment meanwhile.
Isa default_isa();

}  // namespace owl3
