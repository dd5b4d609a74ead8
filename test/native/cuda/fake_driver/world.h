// The functions of the fake driver share this: devices, their memory, and work that waits for somebody to wait for it.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda/fake_driver/fake_driver.h"

namespace owl3::cuda::driver {

// The handles point at these.
struct ContextHandle {
  int device;
};
struct ModuleHandle {
  int device;
};
struct FunctionHandle {
  std::string name;
  size_t params_size;
};
struct Work {
  std::function<Result()> run;
};
struct GraphHandle {
  std::vector<Work> nodes;
};
struct GraphExecHandle {
  int device;
  std::vector<Work> nodes;
  size_t bytes;
};
struct StreamHandle {
  int device;
  std::deque<Work> queue;
  std::unique_ptr<GraphHandle> capture;
  std::thread::id capturer;
  bool capture_broken = false;
};
struct EventHandle {
  int device;
  Stream stream = nullptr;  ///< where it was recorded and not reached yet
};

}  // namespace owl3::cuda::driver

namespace owl3::test::fake_driver {

using namespace cuda::driver;

constexpr size_t address_space = size_t{1} << 34, page = 4096, granule = size_t{2} << 20;

/// A device's memory and what happened to it.
struct FakeDevice {
  ContextHandle context{};
  int retained = 0;
  Result lost = success;
  char* next = nullptr;
  char* end = nullptr;
  std::map<char*, size_t> blocks;
  Counts counts;
  /// Takes memory, or gives it back.
  void take(size_t bytes);
  void give(size_t bytes);
  FakeDevice() = default;
  FakeDevice(const FakeDevice&) = delete;
  FakeDevice& operator=(const FakeDevice&) = delete;
  ~FakeDevice();
};

struct World {
  Play play;
  std::vector<std::unique_ptr<FakeDevice>> devices;
  std::vector<std::unique_ptr<FunctionHandle>> functions;
  std::map<char*, size_t> pinned;
  std::vector<Stream> streams;
  Counts counts;
  std::string fault;  // what the simulation said of a kernel that failed
};

/// Held by every function.
extern std::recursive_mutex mutex;
using Lock = std::lock_guard<std::recursive_mutex>;
extern thread_local Context current;

World& world();
FakeDevice& device_of(int number);
/// The state of the current context's device; every call asks.
Result here(FakeDevice** device = nullptr);
/// Refuses what a recording of the calling thread does not allow, and spoils the recording.
bool recording();

char* pointer(Address address);
/// Whether bytes lie in one of the blocks.
bool inside(const std::map<char*, size_t>& blocks, const char* at, size_t bytes);
bool on_device(Address address, size_t bytes);

/// Does the stream's work until it is done, or `until` says so. What fails ends the device.
Result work(Stream stream, const std::function<bool()>& until);
Result enqueue(Stream stream, Work work);

}  // namespace owl3::test::fake_driver
