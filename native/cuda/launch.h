// The border between the verbs, which say what is to be launched, and whoever launches it: the driver on a device, the
// simulation on the CPU.
#pragma once
#include <cstddef>
#include <cstdint>

namespace owl3::cuda {

struct Dim {
  uint32_t x = 1, y = 1, z = 1;
};

/// A kernel of kernels/list.h and all that it needs. Blocks have only an x size.
struct Launch {
  const char* kernel;
  Dim grid;
  Dim block;
  uint32_t shared_bytes;  ///< dynamic shared memory, at most max_shared_bytes
  const void* params;     ///< the kernel's one parameter (host), taken before launch() returns
  size_t params_size;
};

/// Every device has this much without being asked for more.
constexpr uint32_t max_shared_bytes = 48 << 10;

class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Enqueues it behind what was launched before. A grid with a zero is never passed.
  virtual void launch(const Launch& launch) = 0;
  virtual int multiprocessors() const = 0;
};

}  // namespace owl3::cuda
