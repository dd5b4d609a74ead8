// Drivers and devices are listed, and where they can't be used with the reason.
#include "cuda/driver/library.h"
#include "cuda/fake_backend.h"
#include "support/harness.h"

using namespace owl3;
using test::fake_family;

namespace {

/// The sentence of the error that `work` ends with.
template <class Work>
std::string sentence(ErrorCode code, Work work) {
  try {
    work();
  } catch (const Error& e) {
    CHECK_EQ(std::string(code_name(e.code)), std::string(code_name(code)));
    return e.what();
  }
  return "no error";
}

std::string why_none(const test::fake_driver::Play& play) {
  const cuda::CudaFamily family = fake_family(play);
  return sentence(ErrorCode::unsupported, [&] { family.devices(); });
}

}  // namespace

TEST("cuda driver: a machine without one says so") {
  // Whoever runs this on a machine with a driver sees it load.
  try {
    CHECK(cuda::driver::load_library().init != nullptr);
  } catch (const Error& e) {
    CHECK_EQ(std::string(e.what()), std::string("no NVIDIA driver is installed: libcuda.so.1 was not found."));
  }
}

TEST("cuda driver: one that is too old, or finds nothing, or does not start, says so") {
  CHECK_EQ(why_none({.version = 12040}),
           std::string("the NVIDIA driver is too old: it knows CUDA 12.4, and CUDA 13.0 is needed; install a newer "
                       "driver."));
  CHECK_EQ(why_none({.devices = 0}), std::string("the NVIDIA driver finds no device."));
  CHECK(why_none({.starts = false}).starts_with("the parts of the NVIDIA driver are of different versions"));
  CHECK_EQ(fake_family({.version = 13020}).devices().size(), 1u);  // newer ones serve
}

TEST("cuda driver: devices are listed with their memory, and why one can't be used") {
  const auto found = fake_family({.devices = 2, .memory = size_t{3} << 30}).devices();
  CHECK_EQ(found.size(), 2u);
  CHECK_EQ(found[1].id, std::string("cuda-sim:1"));
  CHECK(found[1].usable());
  CHECK_EQ(found[1].total_memory, uint64_t{3} << 30);
  CHECK_EQ(found[1].free_memory, uint64_t{3} << 30);

  const cuda::CudaFamily old = fake_family({.capability = 61});
  const std::string reason = "it is of compute capability 6.1, and 7.5 (Turing, 2018) or newer is needed.";
  CHECK_EQ(old.devices()[0].reason, reason);
  CHECK_EQ(sentence(ErrorCode::unsupported, [&] { old.make("cuda-sim:0", {}); }),
           "device 'cuda-sim:0' (simulated GPU) can't be used: " + reason);
}

TEST("cuda driver: what ends a device is told from what only a call can't do") {
  using namespace cuda::driver;
  for (const Result lost : {nvlink_uncorrectable, contained_error, context_destroyed, illegal_address, launch_failed})
    CHECK(is_lost(lost));
  for (const Result other : {success, invalid_value, out_of_memory, not_ready, capture_unsupported, not_found})
    CHECK(!is_lost(other));
}

TEST("cuda driver: a device that is not there, and one without kernels, are refused") {
  const cuda::CudaFamily family = fake_family({.devices = 2});
  CHECK_EQ(sentence(ErrorCode::unsupported, [&] { family.make("cuda-sim:7", {}); }),
           std::string("there is no device 'cuda-sim:7'; there are cuda-sim:0, cuda-sim:1."));
  CHECK_EQ(family.make("cuda-sim", {})->device(), std::string("cuda-sim:0"));
  const cuda::CudaFamily other = fake_family({.fits = false});
  CHECK(sentence(ErrorCode::unsupported, [&] {
          other.make("cuda-sim:0", {});
        }).ends_with("can't load the kernels: no kernel image is available for execution on the device."));
}
