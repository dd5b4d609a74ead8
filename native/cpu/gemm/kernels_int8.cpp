// GEMM of int8 activations with quantised weights, for the instruction sets that have a product for it.
#include "cpu/gemm/int8.h"

namespace owl3::cpu::OWL3_ISA {

extern const gemm::Product<gemm::Int8Rows> gemm_int8;
const gemm::Product<gemm::Int8Rows> gemm_int8{.convert = to_int8, .multiply = int8_all};

}  // namespace owl3::cpu::OWL3_ISA
