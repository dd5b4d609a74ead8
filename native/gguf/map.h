// A whole file mapped read-only.
#pragma once
#include <cstdint>
#include <string>

namespace owl3 {

struct Mapping {
  const char* base;
  uint64_t size;
};
/// Errors: not_found, unreadable (also for what is not a regular file). An empty file gives {nullptr, 0}.
Mapping map_file(const std::string& path);
void unmap(const Mapping& m);
/// Tells the system that the whole pages in [base + offset, + bytes) are not needed for now.
void drop_pages(const char* base, uint64_t offset, uint64_t bytes);

/// Opens a regular file for reading; the same errors. `size` receives its length.
int open_for_reading(const std::string& path, uint64_t& size);

}  // namespace owl3
