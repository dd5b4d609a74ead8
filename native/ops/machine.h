// The machine and its limits: for `owl3 doctor`, and as the yardstick of `owl3 bench`.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace owl3::ops {

struct MachineInfo {
  std::string isa;                     ///< in use: the best here, or what OWL3_ISA asks for
  std::vector<std::string> available;  ///< instruction sets that kernels exist for and that run here
  int physical_cores = 0;              ///< that this process may use
  uint64_t total_memory = 0;           ///< bytes; of the control group where that is less
};
MachineInfo machine_info();

/// Peak rates of register-resident loops of the instruction set in use on `threads` threads, best of several runs. In
/// 10^9 operations a second, a multiply-add is two; 0: the instruction set has no such products.
struct MachinePeaks {
  double int8 = 0, bf16 = 0, fp32 = 0;
};
MachinePeaks measure_peaks(int threads);

/// DRAM read bandwidth in GB/s: the best of several passes of all threads over a buffer that no cache holds, for about
/// `seconds`.
double measure_bandwidth(int threads, double seconds);

}  // namespace owl3::ops
