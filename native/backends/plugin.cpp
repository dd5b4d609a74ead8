#include "backends/plugin.h"

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

#include "ops/plugin.h"

namespace owl3::backends {
namespace {

namespace fs = std::filesystem;
constexpr const char* file_prefix = "owl3-";
constexpr const char* file_suffix = ".node";

#ifdef _WIN32
Plugin open_plugin(const std::string&) {
  return {nullptr, "plugins are not supported on Windows."};
}
fs::path addon_folder() {
  return {};
}
#else
/// The folder of the file that this code was loaded from. Search paths of the system are not asked: a plugin runs with
/// the rights of the process.
fs::path addon_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&load_plugin), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code failed;
  const fs::path file = fs::canonical(info.dli_fname, failed);
  return failed ? fs::path() : file.parent_path();
}

Plugin open_plugin(const std::string& kind) {
  const fs::path folder = addon_folder(), file = folder / (file_prefix + kind + file_suffix);
  std::error_code failed;
  if (folder.empty() || !fs::exists(file, failed))
    return {nullptr, "its plugin " + file.filename().string() + " is not installed."};
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = dlerror();
    return {nullptr, file.string() + " does not load: " + (error == nullptr ? "no reason given" : error) + "."};
  }
  auto* entry = reinterpret_cast<ops::PluginEntry*>(dlsym(library, ops::plugin_entry));
  if (entry == nullptr) return {nullptr, file.string() + " is not a plugin of owl3."};
  const ops::DeviceFamily* family = entry(OWL3_ABI);
  if (family == nullptr) return {nullptr, file.string() + " was built for another version of owl3."};
  return {family, {}};
}
#endif

}  // namespace

std::vector<std::string> installed_plugins() {
  std::vector<std::string> kinds;
  std::error_code failed;
  const fs::path folder = addon_folder();
  if (folder.empty()) return kinds;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    const std::string prefix = file_prefix, suffix = file_suffix;
    if (name.size() > prefix.size() + suffix.size() && name.starts_with(prefix) && name.ends_with(suffix))
      kinds.push_back(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
  }
  std::ranges::sort(kinds);
  return kinds;
}

Plugin load_plugin(const std::string& kind) {
  static std::mutex mutex;
  static std::map<std::string, Plugin> loaded;
  const std::lock_guard lock(mutex);
  const auto found = loaded.find(kind);
  if (found != loaded.end()) return found->second;
  return loaded[kind] = open_plugin(kind);
}

}  // namespace owl3::backends
