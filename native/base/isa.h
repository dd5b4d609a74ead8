// The instruction sets we have kernels for, and which of them this machine can run.
#pragma once
#include <string>

namespace owl3 {

/// In rising order on x86: each includes those before it. `avx2`: + FMA and F16C. `avx512`: F, BW, DQ, VL, VNNI.
/// `avx512bf16`: that and BF16 (vdpbf16ps). `amx`: that and AMX-INT8, AMX-BF16 (the system must grant the tile
/// registers). `neon`: aarch64 with the dot product extension.
enum class Isa { scalar, avx2, avx512, avx512bf16, amx, neon };
/// All of them, in that order.
constexpr Isa all_isas[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16, Isa::amx, Isa::neon};

const char* isa_name(Isa isa);
bool isa_available(Isa isa);
/// Whether the processor is Intel's: what it fetches ahead by itself differs from others with the same instructions.
bool made_by_intel();
/// The best available one, or that named by the environment variable OWL3_ISA. Error{invalid_argument} for an unknown
/// name, Error{unsupported} for one that can't run here.
Isa choose_isa();

}  // namespace owl3
