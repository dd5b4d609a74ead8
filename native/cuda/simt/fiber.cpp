#include "cuda/simt/fiber.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "cuda/simt/sanitizer.h"

// owl3_simt_switch(save, load): pushes the registers that a function must keep, stores the stack pointer in *save, takes
// `load` for it and pops the registers that lie there.
extern "C" void owl3_simt_switch(void** save, void* load) asm("owl3_simt_switch");

#if defined(__x86_64__)
constexpr int saved_words = 6;
asm(R"(
.text
.globl owl3_simt_switch
.p2align 4
owl3_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#elif defined(__aarch64__)
constexpr int saved_words = 20;
asm(R"(
.text
.globl owl3_simt_switch
.p2align 2
owl3_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#else
#error "the simulation has no fiber switch for this processor"
#endif

namespace owl3::cuda::simt {
namespace {

constexpr uint64_t canary = 0x5ca1ab1e0ddba11ull;

thread_local Fiber* running = nullptr;

/// From a fiber back to the scheduler.
OWL3_SWITCHES void leave(Fiber& f) {
  Block& b = *f.block;
  before_switch(f.stack->watched, b.scheduler, f.done);
  owl3_simt_switch(&f.sp, b.scheduler_sp);
  after_switch(f.stack->watched);
}

/// From the scheduler to a fiber, until it leaves.
OWL3_SWITCHES void enter(Fiber& f) {
  Block& b = *f.block;
  running = &f;
  f.waits = nullptr;
  before_switch(b.scheduler, f.stack->watched, false);
  owl3_simt_switch(&b.scheduler_sp, f.sp);
  after_switch(b.scheduler);
  if (b.failure) std::rethrow_exception(std::exchange(b.failure, nullptr));
}

/// A GPU's barriers don't wait for threads that returned, but none of our kernels wants that: a thread that goes on where
/// others have ended works in vain, so here it waits forever and is found.
void finish(Fiber& f) {
  f.done = f.stack->returned = true;
  f.block->live--;
}

[[noreturn]] OWL3_SWITCHES void fiber_main() {
  Fiber& f = *running;
  Block& b = *f.block;
  after_switch(f.stack->watched, &b.scheduler);
  try {
    b.body(b.params);
    if (!f.open.empty() || !f.groups.empty()) broken(f, f.place, "it returns without having waited for its copies");
    uint64_t bottom;
    std::memcpy(&bottom, f.stack->bytes, sizeof bottom);
    if (bottom != canary) broken(f, f.place, "it needs a larger stack");
  } catch (...) {
    b.failure = std::current_exception();
  }
  finish(f);
  leave(f);
  __builtin_unreachable();
}

void start(Fiber& f) {
  f.stack->watched.restart(std::exchange(f.stack->returned, false));
  std::memcpy(f.stack->bytes, &canary, sizeof canary);
  auto** end = reinterpret_cast<void**>(f.stack->bytes + stack_bytes);
#if defined(__x86_64__)
  void** at = end - 2;  // so that the stack is aligned as after a call
  *at = reinterpret_cast<void*>(&fiber_main);
  at -= saved_words;
  std::memset(at, 0, saved_words * sizeof(void*));
#else
  void** at = end - saved_words;
  std::memset(at, 0, saved_words * sizeof(void*));
  at[11] = reinterpret_cast<void*>(&fiber_main);  // x30
#endif
  f.sp = at;
  f.done = false;
  f.waits = nullptr;
  f.place = {};
  f.open.clear();
  f.groups.clear();
}

std::string at_line(const Place& place) {
  if (place.file == nullptr) return "its first line";
  const char* name = std::strrchr(place.file, '/');
  return std::string(name != nullptr ? name + 1 : place.file) + ":" + std::to_string(place.line);
}
std::string who(const Block& b, uint32_t thread) {
  return std::string(b.kernel) + ", block " + std::to_string(b.index.x) + " " + std::to_string(b.index.y) + " " +
         std::to_string(b.index.z) + ", thread " + std::to_string(thread);
}

struct Random {
  uint64_t state;
  uint32_t below(uint32_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>((state >> 33) % n);
  }
};

/// Runs a warp as far as it goes. Returns whether it went at all.
bool run_warp(Block& b, uint32_t warp) {
  Fiber* lanes = &b.fibers[warp * warp_lanes];
  bool any = false;
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t l = 0; l < warp_lanes; l++) {
      if (!lanes[l].runnable()) continue;
      enter(lanes[l]);
      moved = any = true;
    }
  }
  return any;
}

bool in_turns(Block& b, bool down) {
  bool moved = false;
  const uint32_t n = static_cast<uint32_t>(b.fibers.size());
  for (uint32_t i = 0; i < n; i++) {
    Fiber& f = b.fibers[down ? n - 1 - i : i];
    if (!f.runnable()) continue;
    enter(f);
    moved = true;
  }
  return moved;
}

/// Runs the first or last warp that can go on, as far as it goes.
bool favoured(Block& b, bool down) {
  const uint32_t warps = static_cast<uint32_t>(b.fibers.size()) / warp_lanes;
  for (uint32_t i = 0; i < warps; i++)
    if (run_warp(b, down ? warps - 1 - i : i)) return true;
  return false;
}

bool at_random(Block& b, Random& random) {
  const uint32_t n = static_cast<uint32_t>(b.fibers.size()), first = random.below(n);
  bool moved = false;
  if (random.below(2) == 0) moved = run_warp(b, random.below(n / warp_lanes));
  for (uint32_t i = 0; i < n; i++) {
    Fiber& f = b.fibers[(first + i) % n];
    if (!f.runnable() || random.below(4) == 0) continue;
    enter(f);
    moved = true;
  }
  return moved || in_turns(b, true);
}

}  // namespace

Fiber& self() {
  return *running;
}

void broken(const Fiber& f, const Place& place, const char* what) {
  throw Error(ErrorCode::internal, "kernel " + who(*f.block, f.thread) + ", " + at_line(place) + ": " + what);
}

void meet(Meeting& m, uint32_t wanted, const Place& place, void (*act)(Slot*)) {
  Fiber& f = self();
  f.place = place;
  if (m.arrived == 0) {
    m.place = place;
  } else if (m.place.line != place.line || std::strcmp(m.place.file, place.file) != 0) {
    const std::string what =
        std::string("it comes to ") + place.what + ", and others wait in " + at_line(m.place) + " at " + m.place.what;
    broken(f, place, what.c_str());
  }
  if (++m.arrived == wanted) {
    if (act != nullptr) act(m.slots[m.generation & 1]);
    m.generation++;
    m.arrived = 0;
    return;
  }
  f.waits = &m;
  f.since = m.generation;
  leave(f);
}

void prepare(Block& b, uint32_t threads) {
  thread_local std::vector<std::unique_ptr<Stack>> stacks;
  b.fibers.resize(threads);
  b.meetings.resize(threads / warp_lanes);
  for (uint32_t i = 0; i < threads; i++) {
    if (stacks.size() <= i) stacks.push_back(std::make_unique_for_overwrite<Stack>());
    Fiber& f = b.fibers[i];
    f.stack = stacks[i].get();
    f.block = &b;
    f.thread = i;
    f.lane = i % warp_lanes;
    f.warp = i / warp_lanes;
  }
}

void run_block(Block& b) {
  b.live = static_cast<uint32_t>(b.fibers.size());
  b.barrier.arrived = 0;
  for (Meeting& m : b.meetings) m.arrived = 0;
  for (Fiber& f : b.fibers) start(f);
  Random random{b.options.seed};
  while (b.live > 0) {
    bool moved = false;
    switch (b.options.schedule) {
      case Schedule::ascending:
      case Schedule::descending:
        moved = in_turns(b, b.options.schedule == Schedule::descending);
        break;
      case Schedule::first_warp:
      case Schedule::last_warp:
        moved = favoured(b, b.options.schedule == Schedule::last_warp);
        break;
      case Schedule::random:
        moved = at_random(b, random);
        break;
    }
    if (moved) continue;
    for (const Fiber& f : b.fibers)
      if (!f.done)
        throw Error(ErrorCode::internal, "kernel " + who(b, f.thread) + ", " + at_line(f.place) + ": it waits at " +
                                             f.place.what + " for threads that never come (" + std::to_string(b.live) +
                                             " of " + std::to_string(b.fibers.size()) + " have not returned)");
  }
}

}  // namespace owl3::cuda::simt
