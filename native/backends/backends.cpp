#include "backends/backends.h"

#include <algorithm>

#include "backends/plugin.h"
#include "base/error.h"
#include "cpu/backend.h"

namespace owl3::backends {
namespace {

/// Kinds that are listed, with the reason, even where their plugin is absent.
constexpr const char* kKnownKinds[] = {"cuda"};

std::string kind_of(const std::string& id) {
  return id.substr(0, id.find(':'));
}

/// A kind is part of a file name, so it is letters alone.
bool is_kind(const std::string& kind) {
  return !kind.empty() && std::ranges::all_of(kind, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

std::vector<ops::DeviceInfo> devices() {
  std::vector<ops::DeviceInfo> all = {cpu::device_info()};
  std::vector<std::string> kinds = installed_plugins();
  for (const char* known : kKnownKinds)
    if (std::ranges::find(kinds, known) == kinds.end()) kinds.push_back(known);
  for (const std::string& kind : kinds) {
    const Plugin plugin = load_plugin(kind);
    if (plugin.family == nullptr) {
      all.push_back({.id = kind, .name = kind, .reason = plugin.reason});
      continue;
    }
    for (ops::DeviceInfo& device : plugin.family->devices()) all.push_back(std::move(device));
  }
  return all;
}

std::unique_ptr<ops::Backend> make_backend(const std::string& id, const ops::BackendOptions& options) {
  if (id == "cpu" || id == "auto") return cpu::make_backend(options);
  const std::string kind = kind_of(id);
  if (!is_kind(kind))
    throw Error(ErrorCode::invalid_argument, "'" + id.substr(0, 64) + "' is not the name of a device");
  const Plugin plugin = load_plugin(kind);
  if (plugin.family == nullptr)
    throw Error(ErrorCode::unsupported, "device '" + id.substr(0, 64) + "' can't be used: " + plugin.reason);
  return plugin.family->make(id, options);
}

std::vector<std::shared_ptr<ops::Backend>> make_backends(const std::string& list, const ops::BackendOptions& options) {
  std::vector<std::shared_ptr<ops::Backend>> backends;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    backends.push_back(make_backend(list.substr(at, end - at), options));
    at = end + 1;
  }
  return backends;
}

}  // namespace owl3::backends
