// AddressSanitizer and ThreadSanitizer, where one of them watches, are told which stack a thread goes on with. Private to
// this folder.
#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define OWL3_ASAN
#elif defined(__SANITIZE_THREAD__)
#define OWL3_TSAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWL3_ASAN
#elif __has_feature(thread_sanitizer)
#define OWL3_TSAN
#endif
#endif
#ifdef OWL3_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef OWL3_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// ThreadSanitizer keeps a list of the calls of each fiber: a function that is called on one and returns on another, or
// never returns, must not be in it.
#ifdef OWL3_TSAN
#define OWL3_SWITCHES __attribute__((no_sanitize("thread")))
#else
#define OWL3_SWITCHES
#endif

namespace owl3::cuda::simt {

/// A stack as the sanitizers see it.
struct Watched {
  const void* bottom = nullptr;  ///< AddressSanitizer's: where it is, and its fake stack
  size_t bytes = 0;
  void* fake_stack = nullptr;
  void* fiber = nullptr;  ///< ThreadSanitizer's

  /// Before another fiber begins on the stack. `ended`: the last one came to its end.
  void restart([[maybe_unused]] bool ended) {
#ifdef OWL3_ASAN
    __asan_unpoison_memory_region(bottom, bytes);  // a kernel may have been left in the middle
    fake_stack = nullptr;
#endif
#ifdef OWL3_TSAN
    if (fiber != nullptr && !ended) end();
    if (fiber == nullptr) fiber = __tsan_create_fiber(0);
#endif
  }
  /// When the stack is not used any more.
  void end() {
#ifdef OWL3_TSAN
    if (fiber != nullptr) __tsan_destroy_fiber(fiber);
    fiber = nullptr;
#endif
  }
};

/// Before a switch from the stack that is in use; `ended`: nobody comes back to it.
OWL3_SWITCHES inline void before_switch([[maybe_unused]] Watched& from, [[maybe_unused]] const Watched& to,
                                        [[maybe_unused]] bool ended) {
#ifdef OWL3_ASAN
  __sanitizer_start_switch_fiber(ended ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
#ifdef OWL3_TSAN
  if (from.fiber == nullptr) from.fiber = __tsan_get_current_fiber();  // the thread's own stack
  __tsan_switch_to_fiber(to.fiber, 0);
#endif
}

/// After a switch, on the new stack. Where the old one is not known yet, it is told here.
OWL3_SWITCHES inline void after_switch([[maybe_unused]] Watched& now, [[maybe_unused]] Watched* from = nullptr) {
#ifdef OWL3_ASAN
  __sanitizer_finish_switch_fiber(now.fake_stack, from ? &from->bottom : nullptr, from ? &from->bytes : nullptr);
#endif
}

}  // namespace owl3::cuda::simt
