#include "gguf/input.h"

#include <io.h>

#include <algorithm>

#include "base/error.h"
#include "gguf/windows/handles.h"

namespace owl3::gguf {

namespace {

/// Others may write, rename and remove the file meanwhile, as elsewhere.
constexpr DWORD share_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

int open_for_reading(const std::string& path, uint64_t& size) {
  const std::wstring name = wide(path);
  const HANDLE file =
      CreateFileW(name.c_str(), GENERIC_READ, share_all, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND)
      throw Error(ErrorCode::not_found, path + ": no such file");
    const DWORD kind = GetFileAttributesW(name.c_str());
    if (kind != INVALID_FILE_ATTRIBUTES && (kind & FILE_ATTRIBUTE_DIRECTORY))
      throw Error(ErrorCode::unreadable, path + ": is a folder, not a file");
    throw Error(ErrorCode::unreadable, path + ": can't be opened: " + words_for(error));
  }
  if (GetFileType(file) != FILE_TYPE_DISK) {
    CloseHandle(file);
    throw Error(ErrorCode::unreadable, path + ": is not a regular file");
  }
  size = size_of(file);
  return descriptor_of(file, path);
}

}  // namespace

Mapping map_file(const std::string& path) {
  Mapping m{nullptr, 0};
  const int fd = open_for_reading(path, m.size);
  if (m.size > 0) m.base = map_handle(handle_of(fd), m.size);
  const DWORD error = GetLastError();
  _close(fd);
  if (m.size > 0 && m.base == nullptr)
    throw Error(error == ERROR_NOT_ENOUGH_MEMORY ? ErrorCode::out_of_memory : ErrorCode::unreadable,
                path + ": can't be mapped into memory: " + words_for(error));
  return m;
}

void unmap(const Mapping& m) {
  if (m.base) UnmapViewOfFile(m.base);
}

bool damaged(const Mapping&) {
  return false;
}

void drop_pages(const char* base, uint64_t offset, uint64_t bytes) {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  const uint64_t page = system.dwPageSize;
  const uint64_t first = (offset + page - 1) / page * page, last = (offset + bytes) / page * page;
  // Unlocking pages that are not locked takes them out of the working set.
  if (first < last) VirtualUnlock(const_cast<char*>(base) + first, last - first);
}

void read_soon(const char* base, uint64_t bytes) {
  WIN32_MEMORY_RANGE_ENTRY range{const_cast<char*>(base), bytes};
  PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

InputFile::InputFile(const std::string& path) : path_(path), fd_(open_for_reading(path, size_)) {}
InputFile::~InputFile() {
  _close(fd_);
}

void InputFile::read(uint64_t offset, void* dst, uint64_t bytes) const {
  char* p = static_cast<char*>(dst);
  while (bytes > 0) {
    OVERLAPPED at = at_offset(offset);
    DWORD n = 0;
    const DWORD wanted = static_cast<DWORD>(std::min<uint64_t>(bytes, 1 << 30));
    if (!ReadFile(handle_of(fd_), p, wanted, &n, &at) && GetLastError() != ERROR_HANDLE_EOF)
      throw Error(ErrorCode::unreadable, path_ + ": can't be read: " + words_for(GetLastError()));
    if (n == 0) throw Error(ErrorCode::unreadable, path_ + ": ends before byte " + std::to_string(offset + bytes));
    p += n;
    offset += n;
    bytes -= n;
  }
}

}  // namespace owl3::gguf
