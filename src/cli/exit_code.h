// Owns the program's exit codes: a promise to scripts.
#pragma once

#include "base/result.h"

namespace tercet::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;       // device, memory, I/O
inline constexpr int kWrongInput = 2;   // a flag, a file, a prompt
inline constexpr int kFalsified = 3;    // a contract was falsified
inline constexpr int kIncomplete = 77;  // `contract run`: no such device or model here

constexpr int exit_code(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kCorrupt:
    case Code::kUnsupported:
    case Code::kLimit: return kWrongInput;
    case Code::kIo:
    case Code::kOutOfMemory:
    case Code::kDevice:
    case Code::kCancelled: break;
  }
  return kFailed;
}

}  // namespace tercet::cli
