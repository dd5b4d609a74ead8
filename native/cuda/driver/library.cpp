#include "cuda/driver/library.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <string>

#include "base/error.h"

namespace owl3::cuda::driver {
namespace {

#ifdef _WIN32
constexpr const char* library_name = "nvcuda.dll";
void* open_library() {
  // The driver stands in the system's folder; others are not asked.
  return reinterpret_cast<void*>(LoadLibraryExA(library_name, nullptr, LOAD_LIBRARY_SEARCH_SYSTEM32));
}
void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
constexpr const char* library_name = "libcuda.so.1";
void* open_library() {
  return dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
}
void* symbol(void* library, const char* name) {
  return dlsym(library, name);
}
#endif

Api look_up() {
  void* library = open_library();
  if (library == nullptr)
    throw Error(ErrorCode::unsupported,
                std::string("no NVIDIA driver is installed: ") + library_name + " was not found.");
  Api api;
  const auto find = [&](const char* name) {
    void* function = symbol(library, name);
    if (function == nullptr)
      throw Error(ErrorCode::unsupported,
                  std::string("the NVIDIA driver is too old: it has no ") + name + "; install a newer one.");
    return function;
  };
#define OWL3_CUDA_FIND(member, name, parameters) api.member = reinterpret_cast<Result(*) parameters>(find(name));
  OWL3_CUDA_DRIVER(OWL3_CUDA_FIND)
#undef OWL3_CUDA_FIND
  return api;
}

}  // namespace

const Api& load_library() {
  static const Api api = look_up();
  return api;
}

}  // namespace owl3::cuda::driver
