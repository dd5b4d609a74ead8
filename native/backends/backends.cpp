#include "backends/backends.h"

#include <algorithm>

#include "backends/plugin.h"
#include "base/error.h"
#include "cpu/backend.h"

namespace owl3::backends {
namespace {

/// Kinds that are listed, with the reason, even where their plugin is absent.
constexpr const char* known_kinds[] = {"cuda"};
constexpr const char* cpu_id = "cpu";

std::string kind_of(const std::string& id) {
  return id.substr(0, id.find(':'));
}

/// The kinds whose plugin is installed, and the known ones.
std::vector<std::string> all_kinds() {
  std::vector<std::string> kinds = installed_plugins();
  for (const char* known : known_kinds)
    if (std::ranges::find(kinds, known) == kinds.end()) kinds.push_back(known);
  return kinds;
}

/// The usable devices of the known kinds, and the CPU. What is wrong with others is told where somebody asks for them.
std::vector<std::string> found_devices() {
  std::vector<std::string> ids;
  for (const char* kind : known_kinds) try {
      const Plugin plugin = load_plugin(kind);
      if (plugin.family == nullptr) continue;
      for (const ops::DeviceInfo& device : plugin.family->devices())
        if (device.usable()) ids.push_back(device.id);
    } catch (const Error&) {  // no driver, no device
    }
  ids.push_back(cpu_id);
  return ids;
}

}  // namespace

std::vector<ops::DeviceInfo> devices() {
  std::vector<ops::DeviceInfo> all = {cpu::device_info()};
  for (const std::string& kind : all_kinds()) {
    const Plugin plugin = load_plugin(kind);
    if (plugin.family == nullptr) {
      all.push_back({.id = kind, .name = kind, .reason = plugin.reason});
      continue;
    }
    try {
      for (ops::DeviceInfo& device : plugin.family->devices()) all.push_back(std::move(device));
    } catch (const std::exception& e) {
      all.push_back({.id = kind, .name = kind, .reason = e.what()});
    }
  }
  return all;
}

std::unique_ptr<ops::Backend> make_backend(const std::string& id, const ops::BackendOptions& options) {
  if (id == cpu_id) return cpu::make_backend(options);
  const std::string kind = kind_of(id);
  if (const std::vector<std::string> kinds = all_kinds(); std::ranges::find(kinds, kind) == kinds.end()) {
    std::string names = cpu_id;
    for (const std::string& known : kinds) names += ", " + known;
    throw Error(ErrorCode::invalid_argument,
                "'" + id.substr(0, 64) + "' is not the name of a device; the kinds of devices here are " + names);
  }
  const Plugin plugin = load_plugin(kind);
  if (plugin.family == nullptr)
    throw Error(ErrorCode::unsupported, "device '" + id.substr(0, 64) + "' can't be used: " + plugin.reason);
  return plugin.family->make(id, options);
}

std::vector<std::shared_ptr<ops::Backend>> make_backends(const std::string& list, const ops::BackendOptions& options,
                                                         bool with_cpu) {
  std::vector<std::string> ids;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    ids.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  const bool automatic = list == "auto";
  if (automatic) ids = found_devices();
  if (with_cpu && std::ranges::find(ids, cpu_id) == ids.end()) ids.push_back(cpu_id);
  std::vector<std::shared_ptr<ops::Backend>> backends;
  for (const std::string& id : ids) try {
      std::shared_ptr<ops::Backend> made = make_backend(id, options);
      const std::string device = made->device();
      // Two would share what memory each takes for its own; several on the CPU plan with the machine's alike.
      if (device != cpu_id && std::ranges::find(backends, device, &ops::Backend::device) != backends.end())
        throw Error(ErrorCode::invalid_argument,
                    "the devices '" + list.substr(0, 64) + "' name " + device + " twice; name each device once.");
      backends.push_back(std::move(made));
    } catch (const Error&) {  // a device that another process has filled, for example; the CPU goes on
      if (!automatic || id == cpu_id) throw;
    }
  return backends;
}

}  // namespace owl3::backends
