// Error is the one error type of the native code, which never aborts, exits or asserts on input: it throws Error, and
// native/addon turns that into a JavaScript error with the same code.
#pragma once
#include <stdexcept>
#include <string>

namespace owl3 {

enum class ErrorCode {
  invalid_argument,  ///< the caller's fault: a value out of range, a wrong length
  not_found,         ///< no such file
  unreadable,        ///< a file that can't be opened or read
  bad_model,         ///< a file that is not a valid model (GGUF, safetensors, their keys and tensors)
  out_of_memory,     ///< an allocation failed, or a plan exceeds what may be used
  io,                ///< writing failed: disk full, no permission
  unsupported,       ///< valid, but not something this build or machine can do
  device_lost,       ///< a device that works no more before the process ends
  internal,          ///< a fault of ours
};

/// The name JavaScript sees in `error.code`, for example "bad_model".
constexpr const char* code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::unreadable:
      return "unreadable";
    case ErrorCode::bad_model:
      return "bad_model";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::io:
      return "io";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::device_lost:
      return "device_lost";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

struct Error : std::runtime_error {
  ErrorCode code;
  Error(ErrorCode c, const std::string& message) : std::runtime_error(message), code(c) {}
};

}  // namespace owl3
