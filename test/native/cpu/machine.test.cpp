#include "ops/machine.h"

#include "cpu/dispatch.h"
#include "support/harness.h"

using namespace owl3;

TEST("cpu: the machine's limits can be measured on every instruction set") {
  for (Isa isa : all_isas) {
    if (!isa_available(isa)) continue;
    const cpu::peaks::Loops loops = cpu::kernels_of(isa).peaks;
    CHECK(loops.fp32(10) > 0);
    if (loops.int8) CHECK(loops.int8(10) > loops.fp32(10) / 4);
    if (loops.bf16) CHECK(loops.bf16(10) > 0);
    alignas(64) float ones[128];
    for (float& x : ones) x = 1;
    CHECK_EQ(loops.read(ones, sizeof ones), 128u);
  }
}

TEST("cpu: the machine describes itself") {
  const ops::MachineInfo m = ops::machine_info();
  CHECK(m.physical_cores >= 1);
  CHECK(m.total_memory > 0);
  CHECK(m.available.at(0) == "scalar");
}
