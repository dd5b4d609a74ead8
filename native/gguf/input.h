// Input files, mapped read-only or read at given offsets.
#pragma once
#include <cstdint>
#include <string>

namespace owl3::gguf {

struct Mapping {
  const char* base;
  uint64_t size;
};
/// Maps a file. An empty one gives {nullptr, 0}. Errors: not_found, unreadable (also for anything but a regular file).
Mapping map_file(const std::string& path);
void unmap(const Mapping& m);
/// Whether reading the mapping went wrong since it was made: the file was cut short, or its disk failed. The process is
/// not ended by that, as it would be by the system's signal: the whole mapping reads as zeros from then on, so whoever
/// computes with it asks afterwards. (On Windows nobody can cut a file that is mapped.)
bool damaged(const Mapping& m);
/// Error{unreadable} that names the file, when its mapping is damaged().
void check_intact(const Mapping& m, const std::string& path);
/// Tells the system that the whole pages in the `bytes` bytes from base + offset on are not needed for now.
void drop_pages(const char* base, uint64_t offset, uint64_t bytes);

/// Has the system begin to read mapped memory that is wanted soon.
void read_soon(const char* base, uint64_t bytes);

/// Positional reads (pread) instead of a mapping: the page cache is not charged to this process, and a file that
/// shrinks gives an error instead of a signal.
class InputFile {
 public:
  /// Opens a file. Errors: not_found, unreadable (also for anything but a regular file).
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  /// Reads exactly `bytes` bytes from `offset` on; any number of threads may do so at once. Error: unreadable.
  void read(uint64_t offset, void* dst, uint64_t bytes) const;

 private:
  std::string path_;
  uint64_t size_ = 0;  // before fd_, whose initialiser sets it
  int fd_;
};

}  // namespace owl3::gguf
