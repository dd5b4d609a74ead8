// The part of the CUDA driver API that is used, typed by hand, so that nothing of CUDA is needed to build or to start
// (NVIDIA, "CUDA Driver API", 13.0). Names with _v2 are what its header makes of the plain ones.
#pragma once
#include <cstddef>
#include <cstdint>

namespace owl3::cuda::driver {

using Result = int;
using DeviceNumber = int;
using Address = unsigned long long;  ///< where device memory lies
using Context = struct ContextHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;
using Graph = struct GraphHandle*;
using GraphNode = struct GraphNodeHandle*;
using GraphExec = struct GraphExecHandle*;

// Results.
constexpr Result success = 0, invalid_value = 1, out_of_memory = 2, deinitialized = 4, stub_library = 34,
                 device_unavailable = 46, no_device = 100, invalid_device = 101, invalid_image = 200,
                 invalid_context = 201, no_binary_for_gpu = 209, ecc_uncorrectable = 214, nvlink_uncorrectable = 220,
                 contained_error = 226, not_found = 500, not_ready = 600, illegal_address = 700, launch_timeout = 702,
                 context_destroyed = 709, assert_failed = 710, hardware_stack_error = 714, launch_failed = 719,
                 system_driver_mismatch = 803, compat_not_supported = 804, capture_unsupported = 900,
                 capture_invalidated = 901, unknown = 999;

// Attributes of a device.
constexpr int attribute_multiprocessors = 16, attribute_capability_major = 75, attribute_capability_minor = 76;

// Flags.
constexpr unsigned stream_non_blocking = 1;   ///< it does not wait for the default stream
constexpr unsigned event_disable_timing = 2;  ///< events that only order work are cheaper
constexpr unsigned host_portable = 1;         ///< pinned for all devices
constexpr int capture_thread_local = 1;       ///< other threads may allocate meanwhile

/// X(member, symbol, parameters): every function that is used.
#define OWL3_CUDA_DRIVER(X)                                                                                      \
  X(init, "cuInit", (unsigned flags))                                                                            \
  X(driver_version, "cuDriverGetVersion", (int* version))                                                        \
  X(error_string, "cuGetErrorString", (Result result, const char** text))                                        \
  X(device_count, "cuDeviceGetCount", (int* count))                                                              \
  X(device_get, "cuDeviceGet", (DeviceNumber * device, int ordinal))                                             \
  X(device_name, "cuDeviceGetName", (char* name, int size, DeviceNumber device))                                 \
  X(device_attribute, "cuDeviceGetAttribute", (int* value, int attribute, DeviceNumber device))                  \
  X(device_total_memory, "cuDeviceTotalMem_v2", (size_t * bytes, DeviceNumber device))                           \
  X(primary_retain, "cuDevicePrimaryCtxRetain", (Context * context, DeviceNumber device))                        \
  X(primary_release, "cuDevicePrimaryCtxRelease_v2", (DeviceNumber device))                                      \
  X(context_set, "cuCtxSetCurrent", (Context context))                                                           \
  X(memory_info, "cuMemGetInfo_v2", (size_t * free, size_t * total))                                             \
  X(module_load, "cuModuleLoadData", (Module * module, const void* image))                                       \
  X(module_unload, "cuModuleUnload", (Module module))                                                            \
  X(module_function, "cuModuleGetFunction", (Function * function, Module module, const char* name))              \
  X(allocate, "cuMemAlloc_v2", (Address * address, size_t bytes))                                                \
  X(free, "cuMemFree_v2", (Address address))                                                                     \
  X(host_allocate, "cuMemHostAlloc", (void** memory, size_t bytes, unsigned flags))                              \
  X(host_free, "cuMemFreeHost", (void* memory))                                                                  \
  X(copy_to_device, "cuMemcpyHtoDAsync_v2", (Address to, const void* from, size_t bytes, Stream stream))         \
  X(copy_to_host, "cuMemcpyDtoHAsync_v2", (void* to, Address from, size_t bytes, Stream stream))                 \
  X(copy_peer, "cuMemcpyPeerAsync",                                                                              \
    (Address to, Context to_context, Address from, Context from_context, size_t bytes, Stream stream))           \
  X(stream_create, "cuStreamCreate", (Stream * stream, unsigned flags))                                          \
  X(stream_destroy, "cuStreamDestroy_v2", (Stream stream))                                                       \
  X(stream_synchronize, "cuStreamSynchronize", (Stream stream))                                                  \
  X(stream_begin_capture, "cuStreamBeginCapture_v2", (Stream stream, int mode))                                  \
  X(stream_end_capture, "cuStreamEndCapture", (Stream stream, Graph * graph))                                    \
  X(event_create, "cuEventCreate", (Event * event, unsigned flags))                                              \
  X(event_destroy, "cuEventDestroy_v2", (Event event))                                                           \
  X(event_record, "cuEventRecord", (Event event, Stream stream))                                                 \
  X(event_query, "cuEventQuery", (Event event))                                                                  \
  X(event_synchronize, "cuEventSynchronize", (Event event))                                                      \
  X(launch_kernel, "cuLaunchKernel",                                                                             \
    (Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,   \
     unsigned block_z, unsigned shared_bytes, Stream stream, void** params, void** extra))                       \
  X(graph_instantiate, "cuGraphInstantiateWithFlags", (GraphExec * exec, Graph graph, unsigned long long flags)) \
  X(graph_nodes, "cuGraphGetNodes", (Graph graph, GraphNode * nodes, size_t * count))                            \
  X(graph_destroy, "cuGraphDestroy", (Graph graph))                                                              \
  X(graph_launch, "cuGraphLaunch", (GraphExec exec, Stream stream))                                              \
  X(graph_exec_destroy, "cuGraphExecDestroy", (GraphExec exec))

/// The functions of a driver; all return a Result.
struct Api {
#define OWL3_CUDA_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  OWL3_CUDA_DRIVER(OWL3_CUDA_MEMBER)
#undef OWL3_CUDA_MEMBER
};

}  // namespace owl3::cuda::driver
