#include "gguf/input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "gguf/posix/mapping_guard.h"

namespace owl3::gguf {
namespace {

int open_for_reading(const std::string& path, uint64_t& size) {
  if (path.find('\0') != std::string::npos) throw Error(ErrorCode::not_found, "a file name can't hold a NUL byte");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // non-blocking: a FIFO must not hang us
  if (fd < 0) {
    const int e = errno;
    if (e == ENOENT || e == ENOTDIR) throw Error(ErrorCode::not_found, path + ": no such file");
    throw Error(ErrorCode::unreadable, path + ": can't be opened: " + std::strerror(e));
  }
  struct stat s;
  if (::fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
    ::close(fd);
    throw Error(ErrorCode::unreadable,
                path + (S_ISDIR(s.st_mode) ? ": is a folder, not a file" : ": is not a regular file"));
  }
  size = static_cast<uint64_t>(s.st_size);
  return fd;
}

}  // namespace

Mapping map_file(const std::string& path) {
  Mapping m{nullptr, 0};
  const int fd = open_for_reading(path, m.size);
  if (m.size > 0) {
    void* p = ::mmap(nullptr, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int e = errno;
    if (p == MAP_FAILED) {
      ::close(fd);
      throw Error(e == ENOMEM ? ErrorCode::out_of_memory : ErrorCode::unreadable,
                  path + ": can't be mapped into memory: " + std::strerror(e));
    }
    m.base = static_cast<const char*>(p);
    guard(m);
  }
  ::close(fd);
  return m;
}

void unmap(const Mapping& m) {
  if (m.base == nullptr) return;
  unguard(m);
  ::munmap(const_cast<char*>(m.base), m.size);
}

void drop_pages(const char* base, uint64_t offset, uint64_t bytes) {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t first = (offset + page - 1) / page * page, last = (offset + bytes) / page * page;
  if (first < last) ::madvise(const_cast<char*>(base) + first, last - first, MADV_DONTNEED);
}

void read_soon(const char* base, uint64_t bytes) {
  ::madvise(const_cast<char*>(base), bytes, MADV_WILLNEED);
}

InputFile::InputFile(const std::string& path) : path_(path), fd_(open_for_reading(path, size_)) {}
InputFile::~InputFile() {
  ::close(fd_);
}

void InputFile::read(uint64_t offset, void* dst, uint64_t bytes) const {
  char* p = static_cast<char*>(dst);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd_, p, std::min<uint64_t>(bytes, 1 << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(ErrorCode::unreadable, path_ + ": can't be read: " + std::strerror(errno));
    if (n == 0) throw Error(ErrorCode::unreadable, path_ + ": ends before byte " + std::to_string(offset + bytes));
    p += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
}

}  // namespace owl3::gguf
