// systemInfo, measurePeaks, measureBandwidth.
#include "backends/backends.h"
#include "exports.h"
#include "handles.h"
#include "ops/machine.h"

namespace owl3::addon {
namespace {

Napi::Object to_js(Napi::Env env, const ops::DeviceInfo& device) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("id", device.id);
  o.Set("name", device.name);
  o.Set("usable", device.usable());
  o.Set("reason", device.reason);
  o.Set("totalMemory", static_cast<double>(device.total_memory));
  o.Set("freeMemory", static_cast<double>(device.free_memory));
  return o;
}

Napi::Value system_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ops::MachineInfo m = guarded(env, [] { return ops::machine_info(); });
  Napi::Array available = Napi::Array::New(env);
  for (uint32_t i = 0; i < m.available.size(); i++) available.Set(i, m.available[i]);
  Napi::Object out = Napi::Object::New(env);
  out.Set("isa", m.isa);
  out.Set("available", available);
  out.Set("physicalCores", m.physical_cores);
  out.Set("totalMemory", static_cast<double>(m.total_memory));
  const std::vector<ops::DeviceInfo> found = guarded(env, [] { return backends::devices(); });
  Napi::Array devices = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); i++) devices.Set(i, to_js(env, found[i]));
  out.Set("devices", devices);
  return out;
}

Napi::Value peaks(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(), [threads = to_threads(info[0])] { return ops::measure_peaks(threads); },
      [](Napi::Env env, ops::MachinePeaks p) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("int8", p.int8);
        out.Set("bf16", p.bf16);
        out.Set("fp32", p.fp32);
        return out;
      });
}

Napi::Value bandwidth(const Napi::CallbackInfo& info) {
  return run_async(
      info.Env(),
      [threads = to_threads(info[0]), seconds = to_double(info[1], "seconds")] {
        return ops::measure_bandwidth(threads, seconds);
      },
      [](Napi::Env env, double rate) -> Napi::Value { return Napi::Number::New(env, rate); });
}

}  // namespace

void export_system(Napi::Env env, Napi::Object exports) {
  exports.Set("systemInfo", Napi::Function::New(env, system_info, "systemInfo"));
  exports.Set("measurePeaks", Napi::Function::New(env, peaks, "measurePeaks"));
  exports.Set("measureBandwidth", Napi::Function::New(env, bandwidth, "measureBandwidth"));
}

}  // namespace owl3::addon
