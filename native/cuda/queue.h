// The one stream of work of a backend, in the order of the calls; and what is to be done on the host when a part of it
// is finished.
#pragma once
#include <deque>
#include <functional>
#include <mutex>
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
  void launch(const Launch& launch) override { device_.launch(launch, recording_ ? recorder_ : stream_); }
  int multiprocessors() const override { return device_.facts().multiprocessors; }

  /// Records the kernels that `body` launches, without running them. They are captured on a stream of their own, so that
  /// other threads may copy meanwhile.
  driver::GraphExec record(const std::function<void()>& body);
  bool recording() const { return recording_; }

  using Ticket = uint64_t;
  Ticket submit();
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
  void finish(Ticket ticket, bool done);
  driver::Event take_event();

  const Device& device_;
  driver::Stream stream_ = nullptr, recorder_ = nullptr;
  bool recording_ = false;  // touched by the thread of the verbs alone
  std::mutex mutex_;
  Ticket last_ = 0, done_ = 0;
  std::deque<Mark> marks_;
  std::deque<std::pair<Ticket, Action>> actions_;  // with the submit() that they belong to
  std::vector<driver::Event> events_;              // to be used again
};

}  // namespace owl3::cuda
