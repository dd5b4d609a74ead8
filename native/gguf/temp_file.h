// A file that appears under its name only when it is complete: it is written beside it as NAME.partial, flushed to disk
// and renamed.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "gguf/input.h"

namespace owl3::gguf {

class TempFile {
 public:
  /// Creates PATH.partial, replacing one that a killed process left. Error: io (no permission, no such folder, another
  /// process is writing it).
  explicit TempFile(const std::string& path);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  /// Claims disk space up front where the file system can, so that a full disk shows before hours of work. Error: io.
  void reserve(uint64_t bytes);
  /// Writes at an offset; any number of threads may do so at once. Error: io (disk full, file too large).
  void write(uint64_t offset, const void* data, uint64_t bytes);
  /// Reads what was written. Error: io.
  void read(uint64_t offset, void* data, uint64_t bytes) const;
  /// Maps what was written so far, to be read; it stays readable whatever becomes of the file. Error: io.
  Mapping map() const;
  /// Flushes to disk and renames into place. Error: io.
  void commit();
  /// Removes the temporary file; after commit(), or a second time, it does nothing. It is safe while other threads write:
  /// they then write to a file without a name, which is gone with this object.
  void discard();

 private:
  [[noreturn]] void fail(const char* doing, int error) const;
  std::string path_, temp_;
  int fd_ = -1;
  std::atomic<bool> exists_ = false;
};

}  // namespace owl3::gguf
