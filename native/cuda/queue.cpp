#include "cuda/queue.h"

#include <algorithm>
#include <memory>
#include <type_traits>

namespace owl3::cuda {

Queue::Queue(const Device& device) : device_(device) {
  const driver::Api& api = device_.use();
  device_.check(api.stream_create(&stream_, driver::stream_non_blocking), "a stream can't be made");
  try {
    device_.check(api.stream_create(&recorder_, driver::stream_non_blocking), "a stream can't be made");
  } catch (...) {
    api.stream_destroy(stream_);
    throw;
  }
}

Queue::~Queue() {
  const driver::Api& api = device_.use_anyway();
  api.stream_synchronize(stream_);
  finish(everything, std::make_exception_ptr(Error(ErrorCode::internal, "the queue ends")));
  for (const Mark& mark : marks_) api.event_destroy(mark.event);
  for (driver::Event event : events_) api.event_destroy(event);
  api.stream_destroy(recorder_);
  api.stream_destroy(stream_);
}

driver::GraphExec Queue::record(const std::function<void()>& body, const std::function<void(int64_t)>& make_room) {
  const driver::Api& api = device_.use();
  device_.check(api.stream_begin_capture(recorder_, driver::capture_thread_local), "a pass can't be recorded");
  driver::Graph graph = nullptr;
  recording_thread_ = std::this_thread::get_id();
  try {
    body();
  } catch (...) {
    recording_thread_ = std::thread::id();
    if (api.stream_end_capture(recorder_, &graph) == driver::success) api.graph_destroy(graph);
    throw;
  }
  recording_thread_ = std::thread::id();
  device_.check(api.stream_end_capture(recorder_, &graph), "a pass can't be recorded");
  const std::unique_ptr<std::remove_pointer_t<driver::Graph>, decltype(api.graph_destroy)> owned(graph,
                                                                                                 api.graph_destroy);
  size_t kernels = 0;
  device_.check(api.graph_nodes(graph, nullptr, &kernels), "the kernels of a pass can't be counted");
  make_room(static_cast<int64_t>(kernels));
  driver::GraphExec exec = nullptr;
  device_.check(device_.use().graph_instantiate(&exec, graph, 0), "a recorded pass can't be made ready");
  return exec;
}

driver::Event Queue::take_event() {
  if (!events_.empty()) {
    const driver::Event event = events_.back();
    events_.pop_back();
    return event;
  }
  driver::Event event = nullptr;
  device_.check(device_.use().event_create(&event, driver::event_disable_timing), "an event can't be made");
  return event;
}

Queue::Ticket Queue::submit() {
  const std::lock_guard lock(mutex_);
  const driver::Api& api = device_.use();
  const driver::Event event = take_event();
  const driver::Result recorded = api.event_record(event, stream_);
  if (recorded != driver::success) events_.push_back(event);
  device_.check(recorded, "the work can't be handed in");
  marks_.push_back({++last_, event});
  return last_;
}

void Queue::wait(Ticket ticket) {
  if (const std::optional<Mark> mark = mark_of(ticket)) {
    // An event that another thread gives back meanwhile and that is used again ends this wait later, never earlier.
    try {
      device_.check(device_.use().event_synchronize(mark->event), "the work failed");
    } catch (...) {
      finish(everything, std::current_exception());  // nothing that was enqueued can be relied on
      throw;
    }
    finish(mark->ticket, nullptr);
  }
  // Another thread may have waited for it, which still runs its actions, or has met a failure.
  const std::lock_guard finishing(finishing_);
  const std::lock_guard lock(mutex_);
  if (ticket <= failed_) std::rethrow_exception(failure_);
}

std::optional<Queue::Mark> Queue::mark_of(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  if (ticket <= done_) return std::nullopt;
  const auto found = std::ranges::lower_bound(marks_, ticket, {}, &Mark::ticket);
  return found == marks_.end() ? std::nullopt : std::optional(*found);
}

void Queue::finish(Ticket ticket, const std::exception_ptr& failure) {
  const std::lock_guard finishing(finishing_);
  std::vector<Action> due;
  {
    const std::lock_guard lock(mutex_);
    if (failure != nullptr) {
      failure_ = failure;
      failed_ = std::max(last_, actions_.empty() ? 0 : actions_.back().first);
    }
    for (; !marks_.empty() && marks_.front().ticket <= ticket; marks_.pop_front()) {
      done_ = marks_.front().ticket;
      events_.push_back(marks_.front().event);
    }
    for (; !actions_.empty() && actions_.front().first <= ticket; actions_.pop_front())
      due.push_back(std::move(actions_.front().second));
  }
  for (const Action& action : due) action(failure == nullptr);
}

void Queue::later(Action action) {
  const std::lock_guard lock(mutex_);
  actions_.emplace_back(last_ + 1, std::move(action));
}

void Queue::collect() {
  for (;;) {
    Mark first;
    {
      const std::lock_guard lock(mutex_);
      if (marks_.empty()) return;
      first = marks_.front();
    }
    if (device_.use_anyway().event_query(first.event) != driver::success) return;
    finish(first.ticket, nullptr);
  }
}

}  // namespace owl3::cuda
