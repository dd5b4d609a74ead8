#include "cuda/core.h"

#include <algorithm>
#include <cstring>

namespace owl3::cuda {
namespace {

constexpr size_t chunk = size_t{4} << 20;           ///< bytes of a copy
constexpr size_t max_in_flight = size_t{32} << 20;  ///< bytes of pinned memory that wait to be copied

}  // namespace

Core::Core(std::shared_ptr<const driver::Driver> driver, const driver::DeviceFacts& facts, std::string id,
           const void* image)
    : device(std::move(driver), facts, std::move(id), image),
      heap(device),
      pinned(device),
      queue(device),
      graphs(queue) {
  device.check(device.use().stream_create(&reader_, driver::stream_non_blocking), "a stream can't be made");
}

Core::~Core() {
  device.use_anyway().stream_destroy(reader_);
}

char* Core::allocate(size_t bytes) {
  queue.collect();
  if (retired_ > 0) queue.drain();
  return heap.allocate(bytes);
}

void Core::retire(char* memory) noexcept {
  if (memory == nullptr) return;
  graphs.forget(memory);
  retired_++;
  queue.later([this, memory](bool) {
    heap.free(memory);
    retired_--;
  });
}

void Core::upload(void* to, size_t bytes, const std::function<void(char*)>& fill) {
  if (bytes == 0) return;
  if (queue.recording()) throw Error(ErrorCode::internal, "a copy to the device inside a recorded pass");
  queue.collect();
  if (pinned.taken() > max_in_flight) queue.drain();
  const Pinned::Block block = pinned.take(bytes);
  try {
    fill(block.data);
    device.check(device.use().copy_to_device(driver::address_of(to), block.data, bytes, queue.stream()),
                 "memory can't be copied to it");
    queue.later([this, block](bool) { pinned.give(block); });
  } catch (...) {
    pinned.give(block);
    throw;
  }
}

void Core::upload(void* to, const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += chunk) {
    const size_t some = std::min(chunk, bytes - at);
    upload(static_cast<char*>(to) + at, some,
           [&](char* host) { std::memcpy(host, static_cast<const char*>(from) + at, some); });
    if (some == chunk) queue.submit();  // so that its pinned memory can be used again before all is done
  }
}

void Core::download(const void* from, size_t bytes, std::function<void(const char*)> use) {
  if (bytes == 0) return;
  if (queue.recording()) throw Error(ErrorCode::internal, "a copy from the device inside a recorded pass");
  const Pinned::Block block = pinned.take(bytes);
  try {
    device.check(device.use().copy_to_host(block.data, driver::address_of(from), bytes, queue.stream()),
                 "memory can't be copied from it");
    queue.later([this, block, use = std::move(use)](bool done) {
      if (done) use(block.data);
      pinned.give(block);
    });
  } catch (...) {
    pinned.give(block);
    throw;
  }
}

void Core::read(void* to, const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += chunk) {
    const size_t some = std::min(chunk, bytes - at);
    const driver::Api& api = device.use();
    const Pinned::Block block = pinned.take(some);
    const driver::Address address = driver::address_of(static_cast<const char*>(from) + at);
    driver::Result result = api.copy_to_host(block.data, address, some, reader_);
    if (result == driver::success) result = api.stream_synchronize(reader_);
    if (result == driver::success) std::memcpy(static_cast<char*>(to) + at, block.data, some);
    pinned.give(block);
    device.check(result, "memory can't be copied from it");
  }
}

}  // namespace owl3::cuda
