#include <cuda_runtime_api.h>

#include <utility>

#include "cuda/cuda.h"
#include "cuda/error.h"

namespace tercet::cuda {
namespace {

// What the kernels are written for: f16 tensor cores with f32 sums, asynchronous copies to shared memory.
constexpr int kLeastMajor = 8;

std::string too_old(int major, int minor) {
  if (major >= kLeastMajor) return "";
  return fmt::format("compute capability {}.{}, want {}.0 or more", major, minor, kLeastMajor);
}

Result<int> attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  const cudaError_t status = cudaDeviceGetAttribute(&value, which, device);
  if (status != cudaSuccess) return cuda_error(fmt::format("attributes of device {}", device), status);
  return value;
}

// {free, total} in bytes. Opens a context.
Result<std::pair<uint64_t, uint64_t>> memory(int device) {
  int before = 0;
  size_t free = 0;
  size_t total = 0;
  cudaError_t status = cudaGetDevice(&before);
  if (status == cudaSuccess) status = cudaSetDevice(device);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  if (status != cudaSuccess) {
    (void)cudaGetLastError();
    (void)cudaSetDevice(before);
    return cuda_error(fmt::format("memory of device {}", device), status);
  }
  status = cudaSetDevice(before);
  if (status != cudaSuccess) return cuda_error(fmt::format("back to device {}", before), status);
  return std::pair<uint64_t, uint64_t>(free, total);
}

Result<backend::DeviceInfo> describe(int device, int driver_version) {
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, device);
  if (status != cudaSuccess) return cuda_error(fmt::format("properties of device {}", device), status);
  ASSIGN_OR_RETURN(const int memory_clock_khz, attribute(cudaDevAttrMemoryClockRate, device));
  ASSIGN_OR_RETURN(const int shared_optin, attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device));

  backend::DeviceInfo info;
  info.backend = "cuda";
  info.index = device;
  info.name = properties.name;
  info.vendor = "nvidia";
  info.why_not = too_old(properties.major, properties.minor);
  info.kind = properties.integrated != 0 ? backend::DeviceKind::kIntegrated : backend::DeviceKind::kDiscrete;
  info.memory_total = properties.totalGlobalMem;
  // A device that is full, or that another program has for itself, is there all the same.
  if (const auto free_and_total = memory(device)) {
    info.memory_free = free_and_total->first;
    info.memory_total = free_and_total->second;
  } else if (info.why_not.empty()) {
    info.why_not = free_and_total.error().message;
  }
  info.limits = {
      {"compute-capability", fmt::format("{}.{}", properties.major, properties.minor)},
      {"driver-cuda", version_text(driver_version)},
      {"runtime-cuda", version_text(CUDART_VERSION)},
      {"pci", fmt::format("{:04x}:{:02x}:{:02x}", properties.pciDomainID, properties.pciBusID, properties.pciDeviceID)},
      {"multiprocessors", std::to_string(properties.multiProcessorCount)},
      {"l2-bytes", std::to_string(properties.l2CacheSize)},
      {"shared-bytes-per-block", std::to_string(shared_optin)},
      {"memory-bus-bits", std::to_string(properties.memoryBusWidth)},
      {"memory-clock-khz", std::to_string(memory_clock_khz)},
  };
  return info;
}

struct Runtime {
  int driver_version;
  int n_device;  // 1 or more
};

Result<Runtime> find_runtime() {
  // The runtime answers 0 here when there is no driver at all, which is clearer than its own error for that.
  int driver_version = 0;
  const cudaError_t driver_status = cudaDriverGetVersion(&driver_version);
  if (driver_status != cudaSuccess) return cuda_error("driver version", driver_status);
  int n_device = 0;
  const cudaError_t counted = driver_version == 0 ? cudaErrorInsufficientDriver : cudaGetDeviceCount(&n_device);
  RETURN_IF_ERROR(check_runtime(driver_version, counted, n_device));
  return Runtime{driver_version, n_device};
}

}  // namespace

Result<std::vector<backend::DeviceInfo>> list_devices() {
  ASSIGN_OR_RETURN(const Runtime runtime, find_runtime());
  std::vector<backend::DeviceInfo> devices;
  for (int device = 0; device < runtime.n_device; ++device) {
    ASSIGN_OR_RETURN(auto info, describe(device, runtime.driver_version));
    devices.push_back(std::move(info));
  }
  return devices;
}

Status check_device(int device) {
  ASSIGN_OR_RETURN(const Runtime runtime, find_runtime());
  if (device < 0 || device >= runtime.n_device)
    return error(Code::kDevice, "cuda: device {}, want 0..{}", device, runtime.n_device - 1);
  ASSIGN_OR_RETURN(const int major, attribute(cudaDevAttrComputeCapabilityMajor, device));
  ASSIGN_OR_RETURN(const int minor, attribute(cudaDevAttrComputeCapabilityMinor, device));
  const std::string why_not = too_old(major, minor);
  if (!why_not.empty()) return error(Code::kDevice, "cuda: device {}: {}", device, why_not);
  return {};
}

}  // namespace tercet::cuda
