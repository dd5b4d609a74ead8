// An empty folder for the files of a test.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace owl3::test {

/// It goes with the object, of which there is one at a time.
struct Folder {
  std::filesystem::path path;
  Folder() : path(std::filesystem::temp_directory_path() / ("owl3-test-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::vector<std::filesystem::path> files() const { return {std::filesystem::directory_iterator(path), {}}; }
  size_t entries() const { return files().size(); }
};

}  // namespace owl3::test
