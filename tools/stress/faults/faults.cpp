// A library for LD_PRELOAD that makes one system call or allocation fail, or every one from there on, and that can write down in which order files were
// written. tools/stress/faults.mjs and allocations.mjs build it and tell it what to do (tools/stress/faults/control.mjs).
//
// OWL3_FAULT_CONTROL names a file of eight 64-bit integers, shared with whoever steers: see Control. OWL3_FAULT_UNDER names a folder: calls about other
// files are left alone. OWL3_FAULT_OBJECT is a part of the name of the library whose allocations count.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <new>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

enum Call : int64_t {
  open_to_write = 1,
  write_call = 2,
  sync_call = 4,
  rename_call = 8,
  size_call = 16,
  open_to_read = 32,
  allocation = 64
};

struct Control {
  std::atomic<int64_t> count;    // calls of the chosen kinds so far
  std::atomic<int64_t> fail_at;  // the number of the call that fails, from 1; 0: none does
  std::atomic<int64_t> onwards;  // 1: those after it, too
  std::atomic<int64_t> calls;    // kinds of Call
  std::atomic<int64_t> error;    // errno
  std::atomic<int64_t> failed;   // calls that were made to fail
};

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

Control* map_control() {
  const char* path = getenv("OWL3_FAULT_CONTROL");
  const int fd = path == nullptr ? -1 : next<int (*)(const char*, int, ...)>("open")(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* p = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return p == MAP_FAILED ? nullptr : static_cast<Control*>(p);
}
Control* control = nullptr;
const char *under = nullptr, *object = nullptr;
int log_file = -1;
__attribute__((constructor)) void begin() {
  under = getenv("OWL3_FAULT_UNDER");
  object = getenv("OWL3_FAULT_OBJECT");
  if (const char* log = getenv("OWL3_FAULT_LOG"))
    log_file = next<int (*)(const char*, int, ...)>("open")(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  control = map_control();
}

/// Counts a call, and says whether it is to fail; errno is set then.
bool fails(Call call) {
  if (control == nullptr || (control->calls & call) == 0) return false;
  const int64_t n = ++control->count, at = control->fail_at;
  if (at == 0 || n < at || (n > at && control->onwards == 0)) return false;
  control->failed++;
  errno = static_cast<int>(control->error.load());
  return true;
}

bool watched(const char* path) {
  if (under == nullptr || path == nullptr) return false;
  if (path[0] == '/') return strncmp(path, under, strlen(under)) == 0;
  char folder[4096];
  return getcwd(folder, sizeof folder) != nullptr && strncmp(folder, under, strlen(under)) == 0;
}
bool path_of(int fd, char (&path)[4096]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  return path[0] == '/' && watched(path);  // pipes and events have no such path
}

void note(const char* what, const char* a, const char* b = "") {
  if (log_file < 0) return;
  char line[8300];
  const int n = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, a, b);
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  (void)real(log_file, line, static_cast<size_t>(n));
}

template <class F, class... Rest>
int opened(F real, const char* path, int flags, Rest... rest) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY, mine = watched(path);
  if (mine && fails(writes ? open_to_write : open_to_read)) return -1;
  if (mine && writes) note("open", path);
  return real(path, flags, rest...);
}

/// A call on a file that is open: `real()` is made unless it is to fail.
template <class R, class F>
R on_file(Call call, const char* name, int fd, F real) {
  char path[4096];
  if (!path_of(fd, path)) return real();
  if (fails(call)) return -1;
  note(name, path);
  return real();
}

// Whether an address lies in the code of the chosen library.
struct Range {
  uintptr_t from = 0, to = 0;
};
int find_object(dl_phdr_info* info, size_t, void* out) {
  if (info->dlpi_name == nullptr || strstr(info->dlpi_name, object) == nullptr) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    *static_cast<Range*>(out) = {info->dlpi_addr + segment.p_vaddr,
                                 info->dlpi_addr + segment.p_vaddr + segment.p_memsz};
  }
  return 1;
}
bool allocation_fails(const void* caller) {
  if (control == nullptr || object == nullptr || (control->calls & allocation) == 0) return false;
  static Range range;  // the library is loaded before allocations are asked about
  if (range.to == 0) dl_iterate_phdr(find_object, &range);
  const auto at = reinterpret_cast<uintptr_t>(caller);
  return at >= range.from && at < range.to && fails(allocation);
}

void* allocate(size_t bytes, const void* caller) {
  void* p = allocation_fails(caller) ? nullptr : __libc_malloc(bytes == 0 ? 1 : bytes);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void* allocate_aligned(size_t bytes, std::align_val_t align, const void* caller) {
  void* p = allocation_fails(caller) ? nullptr : __libc_memalign(static_cast<size_t>(align), bytes == 0 ? 1 : bytes);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

#define CALLER __builtin_return_address(0)

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    static const auto real = next<int (*)(const char*, int, ...)>(#name);                \
    va_list list;                                                                        \
    va_start(list, flags);                                                               \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                                        \
    return opened(real, path, flags, mode);                                              \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void* data, size_t n) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return on_file<ssize_t>(write_call, "write", fd, [&] { return real(fd, data, n); });
}
ssize_t writev(int fd, const iovec* parts, int n) {
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return on_file<ssize_t>(write_call, "write", fd, [&] { return real(fd, parts, n); });
}
ssize_t pwrite(int fd, const void* data, size_t n, off_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return on_file<ssize_t>(write_call, "write", fd, [&] { return real(fd, data, n, at); });
}
ssize_t pwrite64(int fd, const void* data, size_t n, off64_t at) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return on_file<ssize_t>(write_call, "write", fd, [&] { return real(fd, data, n, at); });
}
int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return on_file<int>(sync_call, "sync", fd, [&] { return real(fd); });
}
int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return on_file<int>(sync_call, "sync", fd, [&] { return real(fd); });
}
int ftruncate(int fd, off_t size) {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  return on_file<int>(size_call, "size", fd, [&] { return real(fd, size); });
}
int ftruncate64(int fd, off64_t size) {
  static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
  return on_file<int>(size_call, "size", fd, [&] { return real(fd, size); });
}
int posix_fallocate(int fd, off_t at, off_t size) {
  static const auto real = next<int (*)(int, off_t, off_t)>("posix_fallocate");
  const int r = on_file<int>(size_call, "size", fd, [&] { return real(fd, at, size); });
  return r < 0 ? errno : r;  // this one returns its error
}
int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  if (!watched(to)) return real(from, to);
  if (fails(rename_call)) return -1;
  note("rename", from, to);
  return real(from, to);
}

void* malloc(size_t bytes) {
  if (!allocation_fails(CALLER)) return __libc_malloc(bytes);
  return nullptr;
}
void* calloc(size_t n, size_t bytes) {
  if (!allocation_fails(CALLER)) return __libc_calloc(n, bytes);
  return nullptr;
}
void* realloc(void* p, size_t bytes) {
  if (!allocation_fails(CALLER)) return __libc_realloc(p, bytes);
  return nullptr;
}
void* aligned_alloc(size_t align, size_t bytes) {
  if (!allocation_fails(CALLER)) return __libc_memalign(align, bytes);
  return nullptr;
}
int posix_memalign(void** out, size_t align, size_t bytes) {
  if (allocation_fails(CALLER)) return ENOMEM;
  *out = __libc_memalign(align, bytes);
  return *out == nullptr ? ENOMEM : 0;
}
void* mmap(void* at, size_t bytes, int rights, int flags, int fd, off_t offset) {
  static const auto real = next<void* (*)(void*, size_t, int, int, int, off_t)>("mmap");
  if (!allocation_fails(CALLER)) return real(at, bytes, rights, flags, fd, offset);
  return MAP_FAILED;
}
}

void* operator new(size_t bytes) {
  return allocate(bytes, CALLER);
}
void* operator new[](size_t bytes) {
  return allocate(bytes, CALLER);
}
void* operator new(size_t bytes, std::align_val_t align) {
  return allocate_aligned(bytes, align, CALLER);
}
void* operator new[](size_t bytes, std::align_val_t align) {
  return allocate_aligned(bytes, align, CALLER);
}
