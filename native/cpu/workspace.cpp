#include "cpu/workspace.h"

#include <cstdint>
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

namespace owl3::cpu {

namespace {

[[noreturn]] void out_of_memory(size_t bytes) {
  throw Error(ErrorCode::out_of_memory, "can't allocate " + std::to_string(bytes) + " bytes");
}

#ifdef __linux__
/// From here on memory is mapped, so that freeing it gives it back to the system at once: malloc would keep blocks of
/// up to 32 MiB for later, and a chat's peak would be that of all its answers together.
constexpr size_t min_mapped = size_t{1} << 20;

std::shared_ptr<void> mapped_memory(size_t bytes) {
  constexpr size_t page = size_t{64} << 10;  // no machine has larger ones
  constexpr size_t huge_page = size_t{2} << 20;
  const size_t align = bytes >= 2 * huge_page ? huge_page : page;
  const size_t size = (bytes + page - 1) / page * page;
  void* mapped = mmap(nullptr, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) out_of_memory(bytes);
  char* const first = static_cast<char*>(mapped);
  char* const p = first + (align - reinterpret_cast<uintptr_t>(first) % align) % align;
  if (p != first) munmap(first, static_cast<size_t>(p - first));
  munmap(p + size, static_cast<size_t>(first + align - p));
  // Of what is used: a huge page for the rest would be memory wasted.
  if (align == huge_page) madvise(p, bytes / huge_page * huge_page, MADV_HUGEPAGE);
  return {p, [size](void* q) { munmap(q, size); }};
}
#endif

}  // namespace

std::shared_ptr<void> aligned_memory(size_t bytes) {
  constexpr size_t align = 64;
  if (bytes > std::numeric_limits<size_t>::max() / 2) out_of_memory(bytes);
#ifdef __linux__
  if (bytes >= min_mapped) return mapped_memory(bytes);
#endif
  const size_t size = bytes == 0 ? align : (bytes + align - 1) / align * align;
#ifdef _WIN32
  void* p = _aligned_malloc(size, align);
  auto release = [](void* q) { _aligned_free(q); };
#else
  void* p = std::aligned_alloc(align, size);
  auto release = [](void* q) { std::free(q); };
#endif
  if (!p) out_of_memory(bytes);
  return {p, release};
}

Workspace::Workspace(int workers) : workers_(static_cast<size_t>(workers)) {}

void Workspace::reserve_workers(size_t bytes) {
  for (Block& b : workers_) grow(b, bytes);
}

size_t Workspace::bytes() const {
  size_t n = shared_.bytes;
  for (const Block& b : workers_) n += b.bytes;
  return n;
}

void* Workspace::grow(Block& block, size_t bytes) {
  if (bytes > block.bytes) {
    block.data.reset();
    block.bytes = 0;
    block.data = aligned_memory(bytes);
    block.bytes = bytes;
  }
  return block.data.get();
}

}  // namespace owl3::cpu
