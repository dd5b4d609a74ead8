#include "cuda/fake_driver/fake_driver.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "cuda/fake_driver/world.h"
#include "cuda/kernels/list.h"
#include "cuda/simt/host.h"

namespace owl3::test::fake_driver {
namespace {

const std::map<Result, const char*>& sentences() {
  static const std::map<Result, const char*> all = {
      {success, "no error"},
      {invalid_value, "invalid argument"},
      {out_of_memory, "out of memory"},
      {invalid_context, "invalid device context"},
      {no_device, "no CUDA-capable device is detected"},
      {no_binary_for_gpu, "no kernel image is available for execution on the device"},
      {not_found, "named symbol not found"},
      {not_ready, "device not ready"},
      {illegal_address, "an illegal memory access was encountered"},
      {system_driver_mismatch, "system has unsupported display driver / cuda driver combination"},
      {capture_unsupported, "operation not permitted when stream is capturing"},
      {capture_invalidated, "operation failed due to a previous error during capture"},
  };
  return all;
}

// The functions.

Result init(unsigned) {
  const Lock lock(mutex);
  return !world().play.starts ? system_driver_mismatch : world().play.devices == 0 ? no_device : success;
}
Result driver_version(int* version) {
  *version = world().play.version;
  return success;
}
Result error_string(Result result, const char** text) {
  if (result == launch_failed) {
    *text = world().fault.c_str();
    return success;
  }
  const auto found = sentences().find(result);
  if (found == sentences().end()) return invalid_value;
  *text = found->second;
  return success;
}
Result device_count(int* count) {
  *count = world().play.devices;
  return success;
}
Result device_get(DeviceNumber* device, int ordinal) {
  *device = ordinal;
  return ordinal < world().play.devices ? success : invalid_device;
}
Result device_name(char* name, int size, DeviceNumber) {
  std::strncpy(name, "simulated GPU", static_cast<size_t>(size));
  return success;
}
Result device_attribute(int* value, int attribute, DeviceNumber) {
  const Play& p = world().play;
  *value = attribute == attribute_multiprocessors    ? 4
           : attribute == attribute_capability_major ? p.capability / 10
           : attribute == attribute_capability_minor ? p.capability % 10
                                                     : 0;
  return success;
}
Result device_total_memory(size_t* bytes, DeviceNumber) {
  *bytes = world().play.memory;
  return success;
}
Result primary_retain(Context* context, DeviceNumber device) {
  const Lock lock(mutex);
  FakeDevice& d = device_of(device);
  d.retained++;
  *context = &d.context;
  return success;
}
Result primary_release(DeviceNumber device) {
  const Lock lock(mutex);
  device_of(device).retained--;
  return success;
}
Result context_set(Context context) {
  current = context;
  return success;
}
Result memory_info(size_t* free, size_t* total) {
  const Lock lock(mutex);
  FakeDevice* d = nullptr;
  if (const Result r = here(&d); r != success) return r;
  *total = world().play.memory;
  *free = *total - d->counts.bytes;
  return success;
}
Result module_load(Module* module, const void* image) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (image == nullptr) return invalid_image;
  if (!world().play.fits) return no_binary_for_gpu;
  *module = new ModuleHandle{current->device};
  return success;
}
Result module_unload(Module module) {
  delete module;
  return success;
}
Result module_function(Function* function, Module, const char* name) {
  const Lock lock(mutex);
  size_t size = 0;
#define OWL3_SIZE(kernel, Params) \
  if (std::strcmp(name, #kernel) == 0) size = sizeof(cuda::Params);
  OWL3_CUDA_KERNELS(OWL3_SIZE)
#undef OWL3_SIZE
  if (size == 0) return not_found;
  world().functions.push_back(std::make_unique<FunctionHandle>(FunctionHandle{name, size}));
  *function = world().functions.back().get();
  return success;
}

Result allocate(Address* address, size_t bytes) {
  const Lock lock(mutex);
  FakeDevice* d = nullptr;
  if (const Result r = here(&d); r != success) return r;
  if (recording()) return capture_unsupported;
  World& w = world();
  const size_t size = (bytes + granule - 1) / granule * granule;
  if (w.play.allocation_fails >= 0 && w.play.allocation_fails-- == 0) return out_of_memory;
  if (d->counts.bytes + size > w.play.memory || static_cast<size_t>(d->end - d->next) < size + page)
    return out_of_memory;
  char* at = d->next;
  d->next += (bytes + page - 1) / page * page + page;
  mprotect(at, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE);
  std::memset(at, 0xff, bytes);
  mprotect(at, (bytes + page - 1) / page * page, PROT_NONE);
  d->blocks[at] = bytes;
  for (Counts* c : {&d->counts, &w.counts}) c->allocations++;
  d->take(size);
  *address = static_cast<Address>(reinterpret_cast<uintptr_t>(at));
  return success;
}
Result free_memory(Address address) {
  const Lock lock(mutex);
  if (recording()) return capture_unsupported;
  World& w = world();
  for (const auto& d : w.devices) {
    const auto found = d->blocks.find(pointer(address));
    if (found == d->blocks.end()) continue;
    const size_t bytes = found->second, size = (bytes + granule - 1) / granule * granule;
    madvise(found->first, (bytes + page - 1) / page * page, MADV_DONTNEED);
    mprotect(found->first, (bytes + page - 1) / page * page, PROT_NONE);
    d->blocks.erase(found);
    d->give(size);
    return d->lost;
  }
  return invalid_value;
}
Result host_allocate(void** memory, size_t bytes, unsigned) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  char* at = new char[bytes];
  world().pinned[at] = bytes;
  *memory = at;
  return success;
}
Result host_free(void* memory) {
  const Lock lock(mutex);
  world().pinned.erase(static_cast<char*>(memory));
  delete[] static_cast<char*>(memory);
  return success;
}

Result copy(void* to, const void* from, size_t bytes, Stream stream) {
  return enqueue(stream, {[to, from, bytes] {
                   std::memcpy(to, from, bytes);
                   return success;
                 }});
}
Result copy_to_device(Address to, const void* from, size_t bytes, Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  if (world().play.copy_fails >= 0 && world().play.copy_fails-- == 0) return invalid_value;
  if (!on_device(to, bytes) || !inside(world().pinned, static_cast<const char*>(from), bytes)) return invalid_value;
  return copy(pointer(to), from, bytes, stream);
}
Result copy_to_host(void* to, Address from, size_t bytes, Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  if (!on_device(from, bytes) || !inside(world().pinned, static_cast<const char*>(to), bytes)) return invalid_value;
  return copy(to, pointer(from), bytes, stream);
}
Result copy_peer(Address to, Context to_context, Address from, Context from_context, size_t bytes, Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  if (!inside(device_of(to_context->device).blocks, pointer(to), bytes) ||
      !inside(device_of(from_context->device).blocks, pointer(from), bytes))
    return invalid_value;
  return copy(pointer(to), pointer(from), bytes, stream);
}

Result stream_create(Stream* stream, unsigned) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  *stream = new StreamHandle{current->device, {}, nullptr, {}, false};
  world().streams.push_back(*stream);
  return success;
}
Result stream_destroy(Stream stream) {
  const Lock lock(mutex);
  std::erase(world().streams, stream);
  delete stream;
  return success;
}
Result stream_synchronize(Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  world().counts.waits++;
  return work(stream, [] { return false; });
}
Result stream_begin_capture(Stream stream, int) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (stream->capture) return capture_unsupported;
  stream->capture = std::make_unique<GraphHandle>();
  stream->capturer = std::this_thread::get_id();
  stream->capture_broken = false;
  return success;
}
Result stream_end_capture(Stream stream, Graph* graph) {
  const Lock lock(mutex);
  if (!stream->capture) return invalid_value;
  std::unique_ptr<GraphHandle> captured = std::move(stream->capture);
  if (stream->capture_broken) return capture_invalidated;
  *graph = captured.release();
  return success;
}

Result event_create(Event* event, unsigned) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  *event = new EventHandle{current->device, nullptr};
  return success;
}
Result event_destroy(Event event) {
  delete event;
  return success;
}
Result event_record(Event event, Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  event->stream = stream;
  return enqueue(stream, {[event] {
                   event->stream = nullptr;
                   return success;
                 }});
}
Result event_query(Event event) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  return event->stream == nullptr ? success : not_ready;
}
Result event_synchronize(Event event) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  world().counts.waits++;
  if (world().play.wait_fails >= 0 && world().play.wait_fails-- == 0) return invalid_value;
  return event->stream == nullptr ? success : work(event->stream, [event] { return event->stream == nullptr; });
}

Result launch_kernel(Function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                     unsigned shared, Stream stream, void** params, void** extra) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (current->device != stream->device || extra != nullptr) return invalid_value;
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || bx * by * bz > 1024 || bx * by * bz == 0 ||
      shared > cuda::max_shared_bytes)
    return invalid_value;
  const auto* bytes = static_cast<const char*>(params[0]);
  return enqueue(stream, {[=, taken = std::vector<char>(bytes, bytes + f->params_size)] {
                   World& w = world();
                   if (w.play.kernel_fails >= 0 && w.play.kernel_fails-- == 0) return illegal_address;
                   w.counts.kernels++;
                   try {
                     cuda::simt::run({.kernel = f->name.c_str(),
                                      .grid = {gx, gy, gz},
                                      .block = {bx, by, bz},
                                      .shared_bytes = shared,
                                      .params = taken.data(),
                                      .params_size = taken.size()});
                   } catch (const Error& e) {
                     w.fault = e.what();
                     return launch_failed;
                   }
                   return success;
                 }});
}

Result graph_instantiate(GraphExec* exec, Graph graph, unsigned long long) {
  const Lock lock(mutex);
  FakeDevice* d = nullptr;
  if (const Result r = here(&d); r != success) return r;
  const size_t bytes = graph->nodes.size() * world().play.graph_kernel;
  if (d->counts.bytes + bytes > world().play.memory) return out_of_memory;
  *exec = new GraphExecHandle{current->device, graph->nodes, bytes};
  d->take(bytes);
  Counts& c = world().counts;
  c.recordings++;
  c.live_graphs++;
  c.graph_bytes += bytes;
  c.peak_graph_bytes = std::max(c.peak_graph_bytes, c.graph_bytes);
  return success;
}
Result graph_nodes(Graph graph, GraphNode* nodes, size_t* count) {
  if (nodes != nullptr) return invalid_value;
  *count = graph->nodes.size();
  return success;
}
Result graph_destroy(Graph graph) {
  delete graph;
  return success;
}
Result graph_launch(GraphExec exec, Stream stream) {
  const Lock lock(mutex);
  if (const Result r = here(); r != success) return r;
  if (recording()) return capture_unsupported;
  world().counts.replays++;
  for (const Work& node : exec->nodes) enqueue(stream, node);
  return success;
}
Result graph_exec_destroy(GraphExec exec) {
  const Lock lock(mutex);
  world().counts.live_graphs--;
  world().counts.graph_bytes -= exec->bytes;
  device_of(exec->device).give(exec->bytes);
  delete exec;
  return success;
}

}  // namespace

const Api& api() {
  static const Api table = [] {
    Api a;
    a.init = init, a.driver_version = driver_version, a.error_string = error_string;
    a.device_count = device_count, a.device_get = device_get, a.device_name = device_name;
    a.device_attribute = device_attribute, a.device_total_memory = device_total_memory;
    a.primary_retain = primary_retain, a.primary_release = primary_release, a.context_set = context_set;
    a.memory_info = memory_info;
    a.module_load = module_load, a.module_unload = module_unload, a.module_function = module_function;
    a.allocate = allocate, a.free = free_memory, a.host_allocate = host_allocate, a.host_free = host_free;
    a.copy_to_device = copy_to_device, a.copy_to_host = copy_to_host, a.copy_peer = copy_peer;
    a.stream_create = stream_create, a.stream_destroy = stream_destroy, a.stream_synchronize = stream_synchronize;
    a.stream_begin_capture = stream_begin_capture, a.stream_end_capture = stream_end_capture;
    a.event_create = event_create, a.event_destroy = event_destroy, a.event_record = event_record;
    a.event_query = event_query, a.event_synchronize = event_synchronize;
    a.launch_kernel = launch_kernel;
    a.graph_instantiate = graph_instantiate, a.graph_nodes = graph_nodes, a.graph_destroy = graph_destroy,
    a.graph_launch = graph_launch;
    a.graph_exec_destroy = graph_exec_destroy;
    return a;
  }();
  return table;
}

}  // namespace owl3::test::fake_driver
