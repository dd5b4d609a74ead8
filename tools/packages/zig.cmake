# zig c++ as CMake's compiler. build.mjs gives OWL3_ZIG (the program), OWL3_ZIG_TARGET (its name of the target),
# CMAKE_SYSTEM_NAME and CMAKE_SYSTEM_PROCESSOR.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OWL3_ZIG OWL3_ZIG_TARGET)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # its questions are about compiling; linking libc++ each time takes long
set(CMAKE_CXX_COMPILER ${OWL3_ZIG} c++ -target ${OWL3_ZIG_TARGET})
# CMake would link a program to learn who the compiler is, for which zig compiles a libc++ (and a musl) of its own.
execute_process(COMMAND ${OWL3_ZIG} c++ --version OUTPUT_VARIABLE version COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" CMAKE_CXX_COMPILER_VERSION "${version}")
set(CMAKE_CXX_COMPILER_ID_RUN TRUE)
set(CMAKE_CXX_COMPILER_ID Clang)
set(CMAKE_CXX_COMPILER_FRONTEND_VARIANT GNU)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)

set(OWL3_ARM -mcpu=generic) # zig takes what follows -march for a processor, and features are added to one

# CMake calls the other tools by one path, and zig's are subcommands.
foreach(tool ar ranlib)
  set(script ${CMAKE_BINARY_DIR}/zig-${tool})
  file(WRITE ${script} "#!/bin/sh\nexec '${OWL3_ZIG}' ${tool} \"$@\"\n")
  file(CHMOD ${script} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  string(TOUPPER ${tool} name)
  set(CMAKE_${name} ${script} CACHE FILEPATH "" FORCE)
  set(CMAKE_CXX_COMPILER_${name} ${script} CACHE FILEPATH "" FORCE)
endforeach()

if(CMAKE_SYSTEM_NAME STREQUAL "Darwin") # Node's functions are found when it loads the addon
  set(CMAKE_MODULE_LINKER_FLAGS_INIT "-Wl,-undefined,dynamic_lookup")
  set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/zig-darwin.cmake) # read after CMake's own rules
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(CMAKE_MODULE_LINKER_FLAGS_INIT "-s") # zig's libc++ would bring 20 MB of symbols
endif()
