// Loops that do nothing but one kind of product in registers.
#pragma once
#include <cstdint>

namespace owl3::cpu::peaks {

/// Each runs n rounds and returns the operations done (a multiply-add is two); null where there is no such instruction.
struct Loops {
  double (*int8)(int64_t n);
  double (*bf16)(int64_t n);
  double (*fp32)(int64_t n);
  /// Reads 64-byte lines; returns something of them so that nothing is left out.
  uint64_t (*read)(const void* memory, int64_t bytes);
};

}  // namespace owl3::cpu::peaks
