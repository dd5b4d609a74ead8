#include "cuda/kv_store.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "cuda/verbs/rows.h"

namespace owl3::cuda {
namespace {

constexpr size_t smallest_table = 64;  ///< entries

size_t per_slab_of(size_t stride) {
  return std::max<size_t>(1, Heap::granule / stride);
}
size_t capacity_for(size_t numbers) {
  return std::bit_ceil(std::max(numbers, smallest_table));
}

uint64_t next_number() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace

Pieces::Pieces(Core& core, size_t piece_bytes)
    : core_(core), stride_(Heap::aligned(piece_bytes)), per_slab_(per_slab_of(stride_)) {}

Pieces::~Pieces() {
  for (const auto& [memory, slab] : slabs_) core_.retire(memory);
  core_.retire(table_);
}

size_t Pieces::bytes(size_t piece_bytes, int64_t count) {
  const size_t stride = Heap::aligned(piece_bytes), per_slab = per_slab_of(stride), n = static_cast<size_t>(count);
  return (n + per_slab - 1) / per_slab * Heap::rounded(per_slab * stride) +
         Heap::rounded(capacity_for(n) * sizeof(char*));
}

void Pieces::add(int32_t number) {
  const auto n = static_cast<size_t>(number);
  if (addresses_.size() <= n) addresses_.resize(n + 1);
  if (free_.empty()) {
    free_.reserve((slabs_.size() + 1) * per_slab_);  // so that drop() never allocates
    char* slab = core_.allocate(per_slab_ * stride_);
    slabs_[slab] = {};
    for (size_t i = per_slab_; i-- > 0;) free_.push_back(slab + i * stride_);
  }
  addresses_[n] = free_.back();
  free_.pop_back();
  std::prev(slabs_.upper_bound(addresses_[n]))->second.live++;
  changed_ = true;
}

/// Work that was enqueued may still use the piece. Whoever gets it next is enqueued behind that, on the same stream.
void Pieces::drop(int32_t number) noexcept {
  char*& address = addresses_[static_cast<size_t>(number)];
  const auto slab = std::prev(slabs_.upper_bound(address));
  free_.push_back(address);
  address = nullptr;
  changed_ = true;
  if (--slab->second.live > 0) return;
  char *const first = slab->first, *const end = first + per_slab_ * stride_;
  std::erase_if(free_, [&](char* piece) { return piece >= first && piece < end; });
  core_.retire(first);
  slabs_.erase(slab);
}

char* const* Pieces::table(bool* moved) {
  if (addresses_.size() > capacity_ || table_ == nullptr) {
    const size_t capacity = capacity_for(addresses_.size());
    core_.retire(table_);
    table_ = nullptr;
    table_ = core_.allocate(capacity * sizeof(char*));
    capacity_ = capacity;
    *moved = changed_ = true;
  }
  if (changed_ && !addresses_.empty()) core_.upload(table_, addresses_.data(), addresses_.size() * sizeof(char*));
  changed_ = false;
  return reinterpret_cast<char* const*>(table_);
}

CudaKvStore::CudaKvStore(std::shared_ptr<Core> core, const ops::KvShape& shape)
    : core_(std::move(core)),
      shape_(shape),
      number_(next_number()),
      pages_(*core_, page_bytes(shape)),
      crops_(*core_, crop_bytes(shape)) {}

CudaKvStore::~CudaKvStore() {
  core_->graphs.forget_store(number_);
}

void CudaKvStore::copy_page(int32_t from, int32_t to) {
  cuda::copy_page(core_->queue, shape_, pages_.at(from), pages_.at(to));
}

KvAddresses CudaKvStore::addresses() {
  const KvAddresses addresses{shape_, pages_.table(&moved_), crops_.table(&moved_)};
  if (moved_) core_->graphs.forget_store(number_);
  moved_ = false;
  return addresses;
}

size_t CudaKvStore::bytes(const ops::KvShape& shape, int64_t pages, int64_t crops) {
  return Pieces::bytes(page_bytes(shape), pages) + Pieces::bytes(crop_bytes(shape), crops);
}

}  // namespace owl3::cuda
