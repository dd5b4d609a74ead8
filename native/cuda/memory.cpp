#include "cuda/memory.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "base/math.h"

namespace owl3::cuda {
namespace {

constexpr size_t smallest_block = size_t{64} << 10;

constexpr size_t small = Heap::granule / 8;
bool is_small(size_t bytes) {
  return bytes < small;
}

}  // namespace

size_t Heap::aligned(size_t bytes) {
  return static_cast<size_t>(round_up(std::max<int64_t>(static_cast<int64_t>(bytes), 1), alignment));
}

size_t Heap::rounded(size_t bytes) {
  if (!is_small(bytes)) return static_cast<size_t>(round_up(static_cast<int64_t>(bytes), granule));
  // A granule that was left is filled but for less than `small` and its alignment.
  constexpr size_t filled = granule - small - alignment;
  return (aligned(bytes) * granule + filled - 1) / filled;
}

Heap::~Heap() {
  for (const auto& [memory, shared] : shared_) give(memory);
}

char* Heap::take(size_t bytes, size_t wanted) {
  const driver::Api& api = device_.use();
  driver::Address address = 0;
  const driver::Result result = api.allocate(&address, bytes);
  if (result == driver::out_of_memory) {
    const Device::Memory m = device_.memory();
    throw Error(ErrorCode::out_of_memory, device_.title() + " has " + bytes_text(m.free) + " of " +
                                              bytes_text(m.total) + " of memory free, and " + bytes_text(wanted) +
                                              " more were wanted.");
  }
  device_.check(result, "memory can't be allocated");
  return reinterpret_cast<char*>(static_cast<uintptr_t>(address));
}

void Heap::give(char* memory) noexcept {
  device_.use_anyway().free(driver::address_of(memory));
}

char* Heap::allocate(size_t bytes) {
  if (!is_small(bytes)) return take(rounded(bytes), bytes);
  const size_t size = aligned(bytes);
  const std::lock_guard lock(mutex_);
  if (current_ == nullptr || shared_[current_].used + size > granule) {
    char* fresh = take(granule, bytes);
    if (current_ != nullptr && shared_[current_].live == 0) {
      give(current_);
      shared_.erase(current_);
    }
    current_ = fresh;
    shared_[current_] = {};
  }
  Shared& s = shared_[current_];
  char* memory = current_ + s.used;
  s.used += size;
  s.live++;
  return memory;
}

void Heap::free(char* memory) noexcept {
  const std::lock_guard lock(mutex_);
  auto found = shared_.upper_bound(memory);
  if (found == shared_.begin() || memory >= std::prev(found)->first + granule) return give(memory);
  --found;
  if (--found->second.live > 0) return;
  if (found->first == current_) {
    found->second.used = 0;
  } else {
    give(found->first);
    shared_.erase(found);
  }
}

Pinned::~Pinned() {
  for (const Block& block : spare_) device_.use_anyway().host_free(block.data);
}

Pinned::Block Pinned::take(size_t bytes) {
  const size_t size = std::bit_ceil(std::max(bytes, smallest_block));
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(spare_, size, &Block::bytes);
  Block block{nullptr, size};
  if (found != spare_.end()) {
    block = *found;
    spare_.erase(found);
  } else {
    void* memory = nullptr;
    device_.check(device_.use().host_allocate(&memory, size, driver::host_portable), "no memory of the host is left");
    block.data = static_cast<char*>(memory);
  }
  taken_ += size;
  return block;
}

void Pinned::give(Block block) noexcept {
  const std::lock_guard lock(mutex_);
  taken_ -= block.bytes;
  spare_.push_back(block);
}

size_t Pinned::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace owl3::cuda
