// Which devices there are, and backends on them. The CPU is built in; other kinds come as plugins, files named
// owl3-KIND.node in the folder of the addon and nowhere else.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ops/device.h"

namespace owl3::backends {

/// The CPU, the devices of the plugins that are there, and known kinds that are absent, with the reason.
std::vector<ops::DeviceInfo> devices();

/// A backend on device `id` ("cpu", "cuda:1"; a kind alone means its first device). Error{unsupported} with the reason
/// when it can't be used, Error{invalid_argument} for a kind that nobody knows.
std::unique_ptr<ops::Backend> make_backend(const std::string& id, const ops::BackendOptions& options);

/// One backend for each device of a list, in its order: "auto", "cpu", "cuda:0,cuda:1". "auto" is every device of the known
/// kinds that a backend can be made on, and then the CPU. `with_cpu`: the CPU comes last where it is not in the list.
/// Errors as make_backend, and Error{invalid_argument} for a device that is named twice.
std::vector<std::shared_ptr<ops::Backend>> make_backends(const std::string& list, const ops::BackendOptions& options,
                                                         bool with_cpu = false);

}  // namespace owl3::backends
