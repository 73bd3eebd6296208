// Owns the way back from a panic of wgpu-native. Of its calls some have no way to say that they failed - submitting, polling
// and reading what is mapped, once the device is lost - and panic: Rust finds nobody to catch that at the edge to C, and
// calls abort(), which would take all of a server with it. POSIX lets a handler of SIGABRT jump out of it, and this one does
// where the thread is within such a call. By then wgpu-core has returned its error and let go of its locks; what the frames
// in between own is leaked. The device is of no use any more in any case. wgpu-native writes what it says to stderr itself.
#pragma once

#include <type_traits>

namespace tercet::wgpu {

// Whether the call returned. It must own nothing that wants to be destroyed, and do nothing else.
bool returns(void (*call)(void*), void* argument);

template <typename Call>
bool returns(Call&& call) {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Call>>);
  return returns([](void* it) { (*static_cast<std::remove_reference_t<Call>*>(it))(); }, &call);
}

}  // namespace tercet::wgpu
