// Threads of a block as fibers of one thread of the system, and where they wait for one another (host.h). Private to
// this folder.
#pragma once
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "cuda/simt/host.h"
#include "cuda/simt/sanitizer.h"

namespace owl3::cuda::simt {

/// A line of a kernel where threads wait for one another.
struct Place {
  const char* what;
  const char* file;
  int line;
};

constexpr uint32_t warp_lanes = 32;

/// A value that a lane puts down for the others, or takes.
struct alignas(16) Slot {
  unsigned char bytes[32];
};

/// A meeting of the lanes of a warp, or of a block's threads. Lanes put values down in the slots of its generation; they
/// stand until all lanes came to the next meeting.
struct Meeting {
  uint32_t arrived = 0;
  uint64_t generation = 0;
  Place place = {};
  Slot slots[2][warp_lanes];
};

struct Copy {
  void* to;
  const void* from;
};

#if defined(OWL3_ASAN) || defined(OWL3_TSAN) || !defined(__OPTIMIZE__)
constexpr size_t stack_bytes = 256 << 10;
#else
constexpr size_t stack_bytes = 64 << 10;
#endif

/// The stack of one fiber after another.
struct Stack {
  alignas(16) char bytes[stack_bytes];
  Watched watched{bytes, stack_bytes};
  bool returned = false;  ///< whether the last fiber came to its end
  ~Stack() { watched.end(); }
};

struct Block;

struct Fiber {
  void* sp = nullptr;
  Stack* stack = nullptr;
  Block* block = nullptr;
  uint32_t thread = 0, lane = 0, warp = 0;
  bool done = false;
  const Meeting* waits = nullptr;  ///< until its generation is no longer `since`
  uint64_t since = 0;
  Place place = {};
  std::vector<Copy> open;                 ///< cp.async since the last commit
  std::vector<std::vector<Copy>> groups;  ///< committed and not waited for, oldest first
  bool runnable() const { return !done && (waits == nullptr || waits->generation != since); }
};

/// The block that runs on this thread of the system.
struct Block {
  Dim index, grid, size;
  const char* kernel = nullptr;
  void (*body)(const void* params) = nullptr;
  const void* params = nullptr;
  Options options;
  std::unique_ptr<unsigned char[]> shared;
  uint32_t live = 0;
  std::vector<Fiber> fibers;
  Meeting barrier;
  std::vector<Meeting> meetings;  ///< [warps]
  std::exception_ptr failure;
  void* scheduler_sp = nullptr;
  Watched scheduler = {};
};

/// The fiber that runs now on this thread of the system.
Fiber& self();
/// Throws Error{internal}: what the fiber did wrong, with kernel, block, thread and line.
[[noreturn]] void broken(const Fiber& fiber, const Place& place, const char* what);
/// Goes on with other fibers until the meeting is over. `wanted` come to it; the last one calls `act` on its slots.
void meet(Meeting& meeting, uint32_t wanted, const Place& place, void (*act)(Slot*));

/// Runs all threads of a block to their end.
void run_block(Block& block);
/// Gives the block `threads` fibers with stacks, which are kept from block to block.
void prepare(Block& block, uint32_t threads);

}  // namespace owl3::cuda::simt
