#include "cpu/scratch.h"

#include <cstdlib>
#include <limits>
#include <string>
#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef _WIN32
#include <malloc.h>
#endif

#include "base/error.h"

namespace owl3 {

std::shared_ptr<void> aligned_memory(size_t bytes) {
  constexpr size_t huge_page = size_t{2} << 20;
  if (bytes > std::numeric_limits<size_t>::max() / 2) {
    throw Error(ErrorCode::out_of_memory, "can't allocate " + std::to_string(bytes) + " bytes");
  }
  const size_t align = bytes >= 2 * huge_page ? huge_page : 64;
  const size_t size = (bytes + align - 1) / align * align + (bytes == 0 ? align : 0);
#ifdef _WIN32
  void* p = _aligned_malloc(size, align);
  auto release = [](void* q) { _aligned_free(q); };
#else
  void* p = std::aligned_alloc(align, size);
  auto release = [](void* q) { std::free(q); };
#endif
  if (!p) throw Error(ErrorCode::out_of_memory, "can't allocate " + std::to_string(bytes) + " bytes");
#ifdef __linux__
  // Of what is used: a huge page for the rest would be memory wasted.
  if (align == huge_page) madvise(p, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return {p, release};
}

Scratch::Scratch(int workers) : workers_(static_cast<size_t>(workers)) {}

void Scratch::reserve_workers(size_t bytes) {
  for (Block& b : workers_) grow(b, bytes);
}

size_t Scratch::bytes() const {
  size_t n = shared_.bytes;
  for (const Block& b : workers_) n += b.bytes;
  return n;
}

void* Scratch::grow(Block& block, size_t bytes) {
  if (bytes > block.bytes) {
    block.data.reset();
    block.bytes = 0;
    block.data = aligned_memory(bytes);
    block.bytes = bytes;
  }
  return block.data.get();
}

}  // namespace owl3
