// Owns a Vulkan driver that fails when it is told to: Mesa's lavapipe, with functions that allocate and submit in front of its own.
// A module, which the loader finds by its manifest (VK_DRIVER_FILES); a test reaches the same copy of it by dlopen(), and
// FAULTY_VULKAN_SUBMISSIONS sets that fault from outside.
#pragma once

#include <atomic>

namespace tercet::tests {

// What the driver answers from now on. Each counts down with the calls of its kind: at 0 that call and all after it fail; less
// than 0: none does.
struct Faults {
  std::atomic<int> allocations = -1;  // VK_ERROR_OUT_OF_DEVICE_MEMORY
  std::atomic<int> submissions = -1;  // VK_ERROR_DEVICE_LOST, as the two below
  std::atomic<int> waits = -1;
  std::atomic<int> queries = -1;    // of how far the device has come
  std::atomic<int> pipelines = -1;  // VK_ERROR_UNKNOWN: the driver cannot make a kernel of what it was given
};

inline constexpr const char* kFaultsSymbol = "tercet_faulty_vulkan";  // Faults* tercet_faulty_vulkan()

}  // namespace tercet::tests
