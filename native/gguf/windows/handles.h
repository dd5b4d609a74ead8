// The Windows twins of input.cpp and temp_file.cpp share these. A file is a handle; the headers hold its C descriptor.
#pragma once
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <cstdint>
#include <string>

namespace owl3::gguf {

/// A path (UTF-8, as JavaScript gives it) in the system's UTF-16. Error: not_found (not valid UTF-8, or with a NUL).
std::wstring wide(const std::string& path);
/// The system's words for an error code, without the full stop and the line's end.
std::string words_for(DWORD error);
/// The handle of a C descriptor.
HANDLE handle_of(int fd);
/// A descriptor that owns `file`; the handle is closed if there are no more. Error: unreadable.
int descriptor_of(HANDLE file, const std::string& path);
/// The size of an open file in bytes.
uint64_t size_of(HANDLE file);
/// An offset as positional reads and writes take it.
OVERLAPPED at_offset(uint64_t offset);
/// Maps a file of `bytes` bytes to be read, or gives nullptr (GetLastError says why).
const char* map_handle(HANDLE file, uint64_t bytes);

}  // namespace owl3::gguf
