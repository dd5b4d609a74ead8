# zig links no Mach-O bundles, which CMake would make of the addon; Node loads a dynamic library as well.
set(CMAKE_SHARED_MODULE_CREATE_CXX_FLAGS "-shared")
