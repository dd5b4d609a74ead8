// The one stream of work of a backend, in the order of the calls; and what is to be done on the host when a part of it
// is finished.
#pragma once
#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cuda/device.h"

namespace owl3::cuda {

class Queue final : public Launcher {
 public:
  explicit Queue(const Device& device);
  ~Queue() override;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const Device& device() const { return device_; }
  driver::Stream stream() const { return stream_; }

  /// Enqueues a kernel, or puts it into the recording.
  void launch(const Launch& launch) override { device_.launch(launch, recording() ? recorder_ : stream_); }
  int multiprocessors() const override { return device_.facts().multiprocessors; }

  /// Records the kernels that `body` launches, without running them. They are captured on a stream of their own, so that
  /// other threads may copy meanwhile. `make_room` is told how many there are before they take memory of the device.
  driver::GraphExec record(const std::function<void()>& body, const std::function<void(int64_t)>& make_room);
  /// Whether the calling thread is recording.
  bool recording() const { return recording_thread_ == std::this_thread::get_id(); }

  using Ticket = uint64_t;
  Ticket submit();
  /// Returns when the work is done and its actions have run, whichever thread ran them. Throws what went wrong with it,
  /// also where another thread met that first.
  void wait(Ticket ticket);
  void drain() { wait(submit()); }

  /// Called once all that was enqueued before is done, from a wait() or collect(); `done` says whether it went well.
  using Action = std::function<void(bool done)>;
  void later(Action action);
  /// Runs the actions of work that is done, without waiting. Never throws.
  void collect();

 private:
  struct Mark {
    Ticket ticket;
    driver::Event event;
  };
  static constexpr Ticket everything = ~Ticket{0};
  /// The mark to wait for; none where another thread waited for it.
  std::optional<Mark> mark_of(Ticket ticket);
  /// Runs the actions up to a ticket; `failure` is null where the work went well.
  void finish(Ticket ticket, const std::exception_ptr& failure);
  driver::Event take_event();

  const Device& device_;
  driver::Stream stream_ = nullptr, recorder_ = nullptr;
  std::atomic<std::thread::id> recording_thread_ = {};
  std::mutex finishing_;  // held while actions run; taken before the other one
  std::mutex mutex_;
  Ticket last_ = 0, done_ = 0;
  Ticket failed_ = 0;  // tickets up to this one end with the failure
  std::exception_ptr failure_;
  std::deque<Mark> marks_;
  std::deque<std::pair<Ticket, Action>> actions_;  // with the submit() that they belong to
  std::vector<driver::Event> events_;              // to be used again
};

}  // namespace owl3::cuda
