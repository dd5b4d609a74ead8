#include "gguf/windows/handles.h"

#include <io.h>

#include <system_error>

#include "base/error.h"

namespace owl3::gguf {

std::wstring wide(const std::string& path) {
  const int bytes = static_cast<int>(path.size());
  const int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), bytes, nullptr, 0);
  if (size == 0 || path.find('\0') != std::string::npos)
    throw Error(ErrorCode::not_found, "a file name must be UTF-8 without a NUL byte, and not empty");
  std::wstring out(static_cast<size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.data(), bytes, out.data(), size);
  return out;
}

std::string words_for(DWORD error) {
  std::string words = std::system_category().message(static_cast<int>(error));
  while (!words.empty() && std::string(" .\r\n").find(words.back()) != std::string::npos) words.pop_back();
  return words;
}

HANDLE handle_of(int fd) {
  return reinterpret_cast<HANDLE>(_get_osfhandle(fd));
}

int descriptor_of(HANDLE file, const std::string& path) {
  const int fd = _open_osfhandle(reinterpret_cast<intptr_t>(file), 0);
  if (fd >= 0) return fd;
  CloseHandle(file);
  throw Error(ErrorCode::unreadable, path + ": can't be opened: this process has too many open files");
}

uint64_t size_of(HANDLE file) {
  LARGE_INTEGER size;
  return GetFileSizeEx(file, &size) ? static_cast<uint64_t>(size.QuadPart) : 0;
}

OVERLAPPED at_offset(uint64_t offset) {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return at;
}

const char* map_handle(HANDLE file, uint64_t bytes) {
  const HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (section == nullptr) return nullptr;
  const void* base = MapViewOfFile(section, FILE_MAP_READ, 0, 0, bytes);
  const DWORD error = GetLastError();
  CloseHandle(section);  // the view keeps it
  SetLastError(error);
  return static_cast<const char*>(base);
}

}  // namespace owl3::gguf
