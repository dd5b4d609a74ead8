#include "gguf/temp_file.h"

#include <io.h>

#include <algorithm>

#include "base/error.h"
#include "gguf/windows/handles.h"

namespace owl3::gguf {

void TempFile::fail(const char* doing, int error) const {
  throw Error(ErrorCode::io, path_ + ": " + doing + ": " + words_for(static_cast<DWORD>(error)));
}

TempFile::TempFile(const std::string& path) : path_(path), temp_(path + ".partial") {
  // Others may read, rename and remove it; that none may write it keeps two processes from writing one file.
  const HANDLE file =
      CreateFileW(wide(temp_).c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE,
                  nullptr, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    const DWORD error = GetLastError();
    if (error == ERROR_SHARING_VIOLATION)
      throw Error(ErrorCode::io, path_ + ": another process is writing it (" + temp_ + " is locked)");
    fail("can't create its temporary file beside it", static_cast<int>(error));
  }
  if (GetFileType(file) != FILE_TYPE_DISK) {
    CloseHandle(file);
    throw Error(ErrorCode::io, temp_ + ": is in the way and not a regular file");
  }
  fd_ = descriptor_of(file, temp_);
  exists_ = true;
}

void TempFile::reserve(uint64_t bytes) {
  FILE_ALLOCATION_INFO room{};
  room.AllocationSize.QuadPart = static_cast<LONGLONG>(bytes);
  if (bytes > 0 && !SetFileInformationByHandle(handle_of(fd_), FileAllocationInfo, &room, sizeof room) &&
      GetLastError() == ERROR_DISK_FULL) {
    const std::string size = std::to_string((bytes + 999999) / 1000000);
    fail(("no room for its " + size + " MB").c_str(), ERROR_DISK_FULL);
  }
}

void TempFile::write(uint64_t offset, const void* data, uint64_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    OVERLAPPED at = at_offset(offset);
    DWORD n = 0;
    if (!WriteFile(handle_of(fd_), p, static_cast<DWORD>(std::min<uint64_t>(bytes, 1 << 30)), &n, &at))
      fail("can't be written", static_cast<int>(GetLastError()));
    p += n;
    offset += n;
    bytes -= n;
  }
}

void TempFile::read(uint64_t offset, void* data, uint64_t bytes) const {
  char* p = static_cast<char*>(data);
  while (bytes > 0) {
    OVERLAPPED at = at_offset(offset);
    DWORD n = 0;
    if (!ReadFile(handle_of(fd_), p, static_cast<DWORD>(std::min<uint64_t>(bytes, 1 << 30)), &n, &at))
      fail("can't be read back", static_cast<int>(GetLastError()));
    if (n == 0) fail("can't be read back", ERROR_HANDLE_EOF);
    p += n;
    offset += n;
    bytes -= n;
  }
}

Mapping TempFile::map() const {
  const uint64_t size = size_of(handle_of(fd_));
  const char* base = map_handle(handle_of(fd_), size);
  if (base == nullptr) fail("can't be mapped", static_cast<int>(GetLastError()));
  return {base, size};
}

void TempFile::commit() {
  if (!FlushFileBuffers(handle_of(fd_))) fail("can't be flushed to disk", static_cast<int>(GetLastError()));
  if (!MoveFileExW(wide(temp_).c_str(), wide(path_).c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
    fail("can't be renamed into place", static_cast<int>(GetLastError()));
  exists_ = false;
}

void TempFile::discard() {
  // While the file is mapped the system keeps it; the next writer replaces it.
  if (exists_.exchange(false)) DeleteFileW(wide(temp_).c_str());
}

TempFile::~TempFile() {
  discard();
  _close(fd_);
}

}  // namespace owl3::gguf
