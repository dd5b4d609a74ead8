// The CUDA backend over the fake driver.
#pragma once
#include <memory>
#include <string>

#include "cuda/fake_driver/fake_driver.h"
#include "cuda/family.h"

namespace owl3::test {

/// The family over a driver that plays this from the beginning.
inline cuda::CudaFamily fake_family(const fake_driver::Play& play = {}) {
  fake_driver::begin(play);
  return cuda::CudaFamily("cuda-sim", {"the kernels of the simulation", 13000},
                          []() -> const cuda::driver::Api& { return fake_driver::api(); });
}

/// A device of a driver that plays this from the beginning.
inline std::shared_ptr<ops::Backend> fake_device(const fake_driver::Play& play = {}, int number = 0) {
  return fake_family(play).make("cuda-sim:" + std::to_string(number), {});
}

}  // namespace owl3::test
