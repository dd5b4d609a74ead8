// A device as hostile as a device may be: it computes on a thread of its own some time after each call, its memory lies
// at addresses that the host can't touch, it refuses pointers that are not its own, and it replays recorded passes
// instead of asking the model again. What the model does wrong with a GPU goes wrong here, too.
#pragma once
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "support/naive_backend.h"

namespace owl3::test {

/// The device's thread and memory. Buffers hold it, so it outlives the backend where they do.
class SlowDevice {
 public:
  SlowDevice() {
    // Addresses are given out of a region without any rights; the values lie in a second one at the same offsets.
    given_ =
        static_cast<char*>(mmap(nullptr, address_space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    real_ = static_cast<char*>(
        mmap(nullptr, address_space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (given_ == MAP_FAILED || real_ == MAP_FAILED) throw Error(ErrorCode::out_of_memory, "no address space");
    thread_ = std::thread([this] { run(); });
  }
  ~SlowDevice() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
    munmap(given_, address_space);
    munmap(real_, address_space);
  }
  SlowDevice(const SlowDevice&) = delete;
  SlowDevice& operator=(const SlowDevice&) = delete;

  uint64_t enqueue(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    changed_.notify_all();
    return ++enqueued_;
  }
  uint64_t enqueued() {
    const std::lock_guard lock(mutex_);
    return enqueued_;
  }
  void wait(uint64_t ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= ticket; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  /// No address is used twice, so that whoever keeps one too long is found.
  char* allocate(size_t bytes) {
    const std::lock_guard lock(memory_mutex_);
    const size_t size = (bytes + 4095) / 4096 * 4096;
    if (size > address_space - used_) throw Error(ErrorCode::out_of_memory, "the slow device has no memory left");
    char* at = given_ + used_;
    used_ += size;
    blocks_[at] = bytes;
    live_ += bytes;
    return at;
  }
  void free(char* at) {
    const std::lock_guard lock(memory_mutex_);
    const size_t bytes = blocks_.at(at);
    blocks_.erase(at);
    live_ -= bytes;
    madvise(real_ + (at - given_), (bytes + 4095) / 4096 * 4096, MADV_DONTNEED);
  }
  size_t live_bytes() {
    const std::lock_guard lock(memory_mutex_);
    return live_;
  }

  /// Where the value at a given address lies; null stays null. Error{internal} when it is no live memory of the device.
  template <class T>
  T* real(T* pointer) {
    if (pointer == nullptr) return nullptr;
    const std::lock_guard lock(memory_mutex_);
    char* at = const_cast<char*>(reinterpret_cast<const char*>(pointer));
    const auto next = blocks_.upper_bound(at);
    if (next == blocks_.begin() || at >= std::prev(next)->first + std::prev(next)->second)
      throw Error(ErrorCode::internal, "an address that is not the device's was passed to it");
    return reinterpret_cast<T*>(real_ + (at - given_));
  }

 private:
  // Under qemu each reserved page costs memory that comes back with the process only.
  static constexpr size_t address_space = size_t{1} << 32;

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      std::exception_ptr failed;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      try {
        work();
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      if (failed && !failure_) failure_ = failed;
      done_++;
      changed_.notify_all();
    }
  }

  char *given_, *real_;
  std::mutex memory_mutex_;
  std::map<char*, size_t> blocks_;  // live ones, by their first address
  size_t used_ = 0, live_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  uint64_t enqueued_ = 0, done_ = 0;
  std::exception_ptr failure_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses all of the above
};

class SlowBackend;

class SlowStore : public ops::KvStore {
 public:
  SlowStore(SlowBackend& backend, const ops::KvShape& shape);
  ~SlowStore() override;
  void add_page(int32_t page) override;
  void drop_page(int32_t page) override;
  void copy_page(int32_t from, int32_t to) override;
  void add_crop(int32_t crop) override;
  void drop_crop(int32_t crop) override;
  NaiveStore& inner() { return *inner_; }

 private:
  SlowBackend& backend_;
  std::shared_ptr<NaiveStore> inner_;  // touched by the device's thread alone
};

class SlowBackend : public ops::Backend {
 public:
  SlowBackend() = default;
  ~SlowBackend() override {
    try {
      device->wait(device->enqueued());  // what is enqueued speaks of this backend
    } catch (const Error&) {
    }
  }
  const std::string& name() const override { return name_; }
  int threads() const override { return 1; }

  Buffer allocate(size_t bytes) override {
    char* at = device->allocate(bytes);
    return Buffer(at, [kept = device](void* p) {
      SlowDevice* d = kept.get();
      d->enqueue([d, p] { d->free(static_cast<char*>(p)); });
    });
  }
  void copy_to_host(void* dst, const void* src, size_t bytes) override {
    outside_of_a_recording();
    device->enqueue([d = device.get(), dst, src, bytes] { std::memcpy(dst, d->real(src), bytes); });
  }
  void read(void* dst, const void* src, size_t bytes) override {
    std::promise<void> done;
    device->enqueue([d = device.get(), dst, src, bytes, &done] {
      try {
        std::memcpy(dst, d->real(src), bytes);
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    done.get_future().get();
  }
  void copy_to_device(void* dst, const void* src, size_t bytes) override {
    outside_of_a_recording();
    const auto* from = static_cast<const char*>(src);
    device->enqueue([d = device.get(), dst, taken = std::vector<char>(from, from + bytes)] {
      std::memcpy(d->real(dst), taken.data(), taken.size());
    });
  }

  std::unique_ptr<ops::Matrix> load_matrix(const ops::HostTensor& t) override { return inner.load_matrix(t); }
  bool reads_host(const ops::Matrix&) const override { return false; }
  std::unique_ptr<ops::KvStore> make_kv_store(const ops::KvShape& shape) override {
    return std::make_unique<SlowStore>(*this, shape);
  }
  void reserve(const ops::ScratchNeed&) override {}
  size_t scratch_bytes(std::span<const ops::ScratchNeed>) const override { return 0; }

  Ticket submit() override { return device->enqueued(); }
  void wait(Ticket ticket) override { device->wait(ticket); }
  void begin(const ops::PassTable& table, ops::KvStore& store) override {
    auto* slow = static_cast<SlowStore*>(&store);
    enqueue([this, table, slow] { inner.begin(table, slow->inner()); });
  }
  bool runs_ahead() const override { return true; }
  void take_ids(const int32_t* ids) override {
    outside_of_a_recording();
    ran_ahead++;
    enqueue([this, ids] { inner.take_ids(real(ids)); });
  }
  void pass(const ops::PassKey& key, const std::function<void()>& body) override {
    const auto found = std::find_if(recorded_.begin(), recorded_.end(), [&](const auto& r) { return r.first == key; });
    if (found != recorded_.end()) {
      replays++;
      for (const auto& verb : found->second) device->enqueue(verb);
      return;
    }
    recording_ = true;
    recording_list_.clear();
    body();
    recording_ = false;
    for (const auto& verb : recording_list_) device->enqueue(verb);
    recorded_.emplace_back(key, std::move(recording_list_));
  }

  void get_rows(const ops::Matrix& w, float* y) override {
    enqueue([this, &w, y] { inner.get_rows(w, real(y)); });
  }
  void select_rows(const float* x, int64_t cols, float* y) override {
    enqueue([this, x, cols, y] { inner.select_rows(real(x), cols, real(y)); });
  }
  void rope_store(const ops::RopeStoreParams& p) override {
    enqueue([this, p] {
      ops::RopeStoreParams q = p;
      q.q = real(q.q), q.k = real(q.k), q.v = real(q.v), q.key_shift = real(q.key_shift);
      inner.rope_store(q);
    });
  }
  void attention(const ops::AttentionParams& p) override {
    enqueue([this, p] {
      ops::AttentionParams q = p;
      q.q = real(q.q), q.out = real(q.out);
      q.gate.weight = real(q.gate.weight), q.gate.bias = real(q.gate.bias);
      inner.attention(q);
    });
  }
  void linear(const ops::LinearParams& p) override {
    enqueue([this, p, outputs = std::vector(p.outputs.begin(), p.outputs.end())] {
      ops::LinearParams q = p;
      std::vector<ops::LinearOutput> o = outputs;
      q.x = real(q.x), q.norm.weight = real(q.norm.weight), q.norm.bias = real(q.norm.bias);
      for (ops::LinearOutput& out : o)
        out.bias = real(out.bias), out.residual = real(out.residual), out.y = real(out.y);
      q.outputs = o;
      inner.linear(q);
    });
  }
  void patchify(const ops::PatchifyParams& p) override {
    const size_t bytes = static_cast<size_t>(p.n * p.size * p.size * 3);
    enqueue([this, p, crops = std::vector<uint8_t>(p.crops, p.crops + bytes)] {
      ops::PatchifyParams q = p;
      q.crops = crops.data(), q.y = real(q.y);
      inner.patchify(q);
    });
  }
  void vision_attention(const ops::VisionAttentionParams& p) override {
    enqueue([this, p] {
      ops::VisionAttentionParams q = p;
      q.q = real(q.q), q.k = real(q.k), q.v = real(q.v), q.out = real(q.out);
      inner.vision_attention(q);
    });
  }
  void store_visual(const ops::StoreVisualParams& p) override {
    auto* slow = static_cast<SlowStore*>(p.store);
    enqueue([this, p, slow] {
      ops::StoreVisualParams q = p;
      q.kv = real(q.kv), q.key_shift = real(q.key_shift), q.store = &slow->inner();
      inner.store_visual(q);
    });
  }
  void pick(const float* logits, int64_t n, int32_t k, std::span<ops::Picked> picked, int32_t* first) override {
    outside_of_a_recording();
    enqueue([this, logits, n, k, picked, first] {
      const float* row = real(logits);
      int32_t* id = real(first);
      for (ops::Picked& p : picked) {
        p = ops::pick_row(std::span(row, static_cast<size_t>(n)), k);
        if (id != nullptr) *id++ = p.ids.front();
        row += n;
      }
    });
  }

  /// Enqueues work of the device, or records it. `fail_after` counts it.
  void enqueue(std::function<void()> work) {
    auto counted = [this, work = std::move(work)] {
      if (fail_after == 0) throw Error(ErrorCode::internal, "the slow device was lost");
      if (fail_after > 0) fail_after--;
      work();
    };
    if (recording_)
      recording_list_.push_back(std::move(counted));
    else
      device->enqueue(std::move(counted));
  }

  std::shared_ptr<SlowDevice> device = std::make_shared<SlowDevice>();
  NaiveBackend inner;                ///< computes, on the device's thread
  int replays = 0;                   ///< passes that were not asked for again
  int ran_ahead = 0;                 ///< passes that were enqueued before their ids were known
  std::atomic<int> fail_after = -1;  ///< works until one fails; < 0: none

 private:
  using Verbs = std::vector<std::function<void()>>;
  template <class T>
  T* real(T* pointer) {
    return device->real(pointer);
  }
  void outside_of_a_recording() const {
    if (recording_) throw Error(ErrorCode::internal, "a copy to or from the host inside a recorded pass");
  }

  std::vector<std::pair<ops::PassKey, Verbs>> recorded_;
  Verbs recording_list_;
  bool recording_ = false;
  std::string name_ = "slow";
};

inline SlowStore::SlowStore(SlowBackend& backend, const ops::KvShape& shape)
    : backend_(backend), inner_(std::make_shared<NaiveStore>(backend.inner, shape)) {}
inline SlowStore::~SlowStore() {
  backend_.device->enqueue([kept = std::move(inner_)] {});
}
inline void SlowStore::add_page(int32_t page) {
  backend_.device->enqueue([s = inner_.get(), page] { s->add_page(page); });
}
inline void SlowStore::drop_page(int32_t page) {
  backend_.device->enqueue([s = inner_.get(), page] { s->drop_page(page); });
}
inline void SlowStore::copy_page(int32_t from, int32_t to) {
  backend_.device->enqueue([s = inner_.get(), from, to] { s->copy_page(from, to); });
}
inline void SlowStore::add_crop(int32_t crop) {
  backend_.device->enqueue([s = inner_.get(), crop] { s->add_crop(crop); });
}
inline void SlowStore::drop_crop(int32_t crop) {
  backend_.device->enqueue([s = inner_.get(), crop] { s->drop_crop(crop); });
}

}  // namespace owl3::test
