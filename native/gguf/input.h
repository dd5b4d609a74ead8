// Files as input: mapped read-only, or read at places.
#pragma once
#include <cstdint>
#include <string>

namespace owl3::gguf {

struct Mapping {
  const char* base;
  uint64_t size;
};
/// Errors: not_found, unreadable (also for what is not a regular file). An empty file gives {nullptr, 0}.
Mapping map_file(const std::string& path);
void unmap(const Mapping& m);
/// Tells the system that the whole pages in [base + offset, + bytes) are not needed for now.
void drop_pages(const char* base, uint64_t offset, uint64_t bytes);

/// A file read at places, without mapping it: pages read do not count as ours, and a file that shrinks gives an error.
class InputFile {
 public:
  /// Errors: not_found, unreadable (also for what is not a regular file).
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  /// Exactly `bytes` bytes from `offset` on; any number of threads may. Error unreadable.
  void read(uint64_t offset, void* dst, uint64_t bytes) const;

 private:
  std::string path_;
  uint64_t size_ = 0;  // before fd_, whose initialiser sets it
  int fd_;
};

}  // namespace owl3::gguf
