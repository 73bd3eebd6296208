// Vulkan's headers are not among what the tests need: of its types these functions look at none but the names.
#include "faulty_vulkan/faulty_vulkan.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace {

using tercet::tests::Faults;

using Function = void (*)();
using GetAddress = Function (*)(void* of, const char* name);

constexpr int kOutOfDeviceMemory = -2;
constexpr int kDeviceLost = -4;
constexpr int kUnknown = -13;

// For a program of its own, which no test reaches.
int from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? -1 : std::atoi(value);
}

Faults faults{-1, from_environment("FAULTY_VULKAN_SUBMISSIONS")};

bool fails(std::atomic<int>& countdown) {
  int left = countdown.load();
  if (left < 0) return false;
  while (left > 0)
    if (countdown.compare_exchange_weak(left, left - 1)) return false;
  return true;
}

template <typename F>
F driver(const char* name) {
  static void* library = ::dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? nullptr : reinterpret_cast<F>(::dlsym(library, name));
}

GetAddress device_address;
int (*allocate)(void*, const void*, const void*, void*);
int (*submit)(void*, uint32_t, const void*, void*);
int (*submit2)(void*, uint32_t, const void*, void*);
int (*wait_for)(void*, const void*, uint64_t);
int (*wait_fences)(void*, uint32_t, const void*, uint32_t, uint64_t);
int (*query)(void*, void*, uint64_t*);
int (*query_fence)(void*, void*);
int (*make_pipelines)(void*, uint64_t, uint32_t, const void*, const void*, void*);

int faulty_allocate(void* device, const void* info, const void* allocator, void* memory) {
  return fails(faults.allocations) ? kOutOfDeviceMemory : allocate(device, info, allocator, memory);
}
int faulty_submit(void* queue, uint32_t n, const void* infos, void* fence) {
  return fails(faults.submissions) ? kDeviceLost : submit(queue, n, infos, fence);
}
int faulty_submit2(void* queue, uint32_t n, const void* infos, void* fence) {
  return fails(faults.submissions) ? kDeviceLost : submit2(queue, n, infos, fence);
}
int faulty_wait(void* device, const void* info, uint64_t ns) {
  return fails(faults.waits) ? kDeviceLost : wait_for(device, info, ns);
}
int faulty_wait_fences(void* device, uint32_t n, const void* fences, uint32_t all, uint64_t ns) {
  return fails(faults.waits) ? kDeviceLost : wait_fences(device, n, fences, all, ns);
}
int faulty_query(void* device, void* semaphore, uint64_t* value) {
  return fails(faults.queries) ? kDeviceLost : query(device, semaphore, value);
}
int faulty_query_fence(void* device, void* fence) {
  return fails(faults.queries) ? kDeviceLost : query_fence(device, fence);
}
int faulty_pipelines(void* device, uint64_t cache, uint32_t n, const void* infos, const void* allocator, void* made) {
  return fails(faults.pipelines) ? kUnknown : make_pipelines(device, cache, n, infos, allocator, made);
}

template <typename F>
Function replace(Function its, F& kept, F ours) {
  kept = reinterpret_cast<F>(its);
  return reinterpret_cast<Function>(ours);
}

Function faulty(std::string_view name, Function its) {
  if (its == nullptr) return nullptr;
  if (name.ends_with("KHR")) name.remove_suffix(3);
  if (name == "vkAllocateMemory") return replace(its, allocate, faulty_allocate);
  if (name == "vkQueueSubmit") return replace(its, submit, faulty_submit);
  if (name == "vkQueueSubmit2") return replace(its, submit2, faulty_submit2);
  if (name == "vkWaitSemaphores") return replace(its, wait_for, faulty_wait);
  if (name == "vkWaitForFences") return replace(its, wait_fences, faulty_wait_fences);
  if (name == "vkGetSemaphoreCounterValue") return replace(its, query, faulty_query);
  if (name == "vkGetFenceStatus") return replace(its, query_fence, faulty_query_fence);
  if (name == "vkCreateComputePipelines") return replace(its, make_pipelines, faulty_pipelines);
  return its;
}

Function get_device_address(void* device, const char* name) { return faulty(name, device_address(device, name)); }

}  // namespace

// What a driver must have for the loader, and the way to its faults.
#define TERCET_EXPORT extern "C" __attribute__((visibility("default")))

TERCET_EXPORT Function vk_icdGetInstanceProcAddr(void* instance, const char* name) {
  const auto get = driver<GetAddress>("vk_icdGetInstanceProcAddr");
  const Function its = get == nullptr ? nullptr : get(instance, name);
  if (its != nullptr && std::string_view(name) == "vkGetDeviceProcAddr")
    return replace(its, device_address, &get_device_address);
  return faulty(name, its);
}

TERCET_EXPORT int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* version) {
  const auto negotiate = driver<int (*)(uint32_t*)>("vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate == nullptr ? -3 : negotiate(version);
}

TERCET_EXPORT Function vk_icdGetPhysicalDeviceProcAddr(void* instance, const char* name) {
  const auto get = driver<GetAddress>("vk_icdGetPhysicalDeviceProcAddr");
  return get == nullptr ? nullptr : get(instance, name);
}

TERCET_EXPORT Faults* tercet_faulty_vulkan() { return &faults; }
