#include "gguf/temp_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "gguf/posix/mapping_guard.h"

namespace owl3::gguf {
namespace {

/// While an object of this class lives, writing past a file size limit fails with EFBIG instead of killing the process.
class WithoutSizeSignal {
 public:
  WithoutSizeSignal() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~WithoutSizeSignal() {
    sigset_t pending;
    int signal;
    if (!sigismember(&before_, SIGXFSZ) && sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ))
      sigwait(&set_, &signal);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t set_, before_;
};

/// The folder that a path names a file in.
std::string folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

void TempFile::fail(const char* doing, int error) const {
  throw Error(ErrorCode::io, path_ + ": " + doing + ": " + std::strerror(error));
}

TempFile::TempFile(const std::string& path) : path_(path), temp_(path + ".partial") {
  for (;;) {
    fd_ = ::open(temp_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd_ < 0) fail("can't create its temporary file beside it", errno);
    // The lock keeps two processes from writing one file; where NFS has no locks we go without.
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd_);
      throw Error(ErrorCode::io, path_ + ": another process is writing it (" + temp_ + " is locked)");
    }
    struct stat ours, theirs;
    const bool same = ::fstat(fd_, &ours) == 0 && ::lstat(temp_.c_str(), &theirs) == 0 &&
                      ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
    if (same && !S_ISREG(ours.st_mode)) {
      ::close(fd_);
      throw Error(ErrorCode::io, temp_ + ": is in the way and not a regular file");
    }
    if (same) break;
    ::close(fd_);  // its writer renamed or removed it between our open and lock
  }
  exists_ = true;
  if (::ftruncate(fd_, 0) != 0) {
    const int e = errno;
    discard();
    ::close(fd_);
    fail("can't empty its temporary file", e);
  }
}

void TempFile::reserve(uint64_t bytes) {
#if defined(__linux__)
  const WithoutSizeSignal guard;
  if (bytes > 0 && ::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0 &&
      (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
    const std::string size = std::to_string((bytes + 999999) / 1000000);
    fail(("no room for its " + size + " MB").c_str(), errno);
  }
#else
  (void)bytes;
#endif
}

void TempFile::write(uint64_t offset, const void* data, uint64_t bytes) {
  const WithoutSizeSignal guard;
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pwrite(fd_, p, std::min<uint64_t>(bytes, 1 << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("can't be written", errno);
    p += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
}

void TempFile::read(uint64_t offset, void* data, uint64_t bytes) const {
  char* p = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd_, p, std::min<uint64_t>(bytes, 1 << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("can't be read back", n < 0 ? errno : EIO);
    p += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
}

Mapping TempFile::map() const {
  struct stat s;
  if (::fstat(fd_, &s) != 0) fail("can't be mapped", errno);
  const auto size = static_cast<uint64_t>(s.st_size);
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd_, 0);
  if (p == MAP_FAILED) fail("can't be mapped", errno);
  const Mapping m{static_cast<const char*>(p), size};
  guard(m);
  return m;
}

void TempFile::commit() {
  if (::fsync(fd_) != 0) fail("can't be flushed to disk", errno);
  if (::rename(temp_.c_str(), path_.c_str()) != 0) fail("can't be renamed into place", errno);
  exists_ = false;
  if (const int dir = ::open(folder(path_).c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY); dir >= 0) {
    ::fsync(dir);  // makes the new name last through a power cut; the file itself is safe already
    ::close(dir);
  }
}

void TempFile::discard() {
  if (exists_.exchange(false)) ::unlink(temp_.c_str());
}

TempFile::~TempFile() {
  discard();
  ::close(fd_);
}

}  // namespace owl3::gguf
