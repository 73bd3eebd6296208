#include <cuda_runtime_api.h>

#include <utility>

#include "cuda/cuda.h"

namespace tercet::cuda {
namespace {

// CUDA writes versions as 1000 * major + 10 * minor.
std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

tl::unexpected<Error> runtime_error(std::string_view what, cudaError_t status) {
  return error(Code::kDevice, "cuda: {}: {} ({}), want a working CUDA device", what, cudaGetErrorString(status),
               cudaGetErrorName(status));
}

tl::unexpected<Error> no_driver(std::string_view seen) {
  return with_hint(
      error(Code::kDevice, "cuda: {}, want an NVIDIA driver for CUDA {} or newer", seen, version_text(CUDART_VERSION)),
      "nvidia-smi shows the driver; --backend cpu runs without one");
}

Result<int> attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  const cudaError_t status = cudaDeviceGetAttribute(&value, which, device);
  if (status != cudaSuccess) return runtime_error(fmt::format("attributes of device {}", device), status);
  return value;
}

// {free, total} in bytes.
Result<std::pair<uint64_t, uint64_t>> memory(int device) {
  int before = 0;
  size_t free = 0;
  size_t total = 0;
  cudaError_t status = cudaGetDevice(&before);
  if (status == cudaSuccess) status = cudaSetDevice(device);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  if (status != cudaSuccess) return runtime_error(fmt::format("memory of device {}", device), status);
  status = cudaSetDevice(before);
  if (status != cudaSuccess) return runtime_error(fmt::format("back to device {}", before), status);
  return std::pair<uint64_t, uint64_t>(free, total);
}

Result<backend::DeviceInfo> describe(int device, int driver_version) {
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, device);
  if (status != cudaSuccess) return runtime_error(fmt::format("properties of device {}", device), status);
  ASSIGN_OR_RETURN(const int memory_clock_khz, attribute(cudaDevAttrMemoryClockRate, device));
  ASSIGN_OR_RETURN(const int shared_optin, attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device));

  backend::DeviceInfo info;
  info.backend = "cuda";
  info.index = device;
  info.name = properties.name;
  info.vendor = "nvidia";
  info.kind = properties.integrated != 0 ? backend::DeviceKind::kIntegrated : backend::DeviceKind::kDiscrete;
  ASSIGN_OR_RETURN(const auto free_and_total, memory(device));
  info.memory_free = free_and_total.first;
  info.memory_total = free_and_total.second;
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

}  // namespace

Result<std::vector<backend::DeviceInfo>> list_devices() {
  // The runtime answers 0 here when there is no driver at all, which is clearer than its own error for that.
  int driver_version = 0;
  const cudaError_t driver_status = cudaDriverGetVersion(&driver_version);
  if (driver_status != cudaSuccess) return runtime_error("driver version", driver_status);
  if (driver_version == 0) return no_driver("no driver found");

  int n_device = 0;
  const cudaError_t status = cudaGetDeviceCount(&n_device);
  if (status == cudaErrorInsufficientDriver)
    return no_driver(fmt::format("the driver is for CUDA {}", version_text(driver_version)));
  if (status == cudaErrorNoDevice || (status == cudaSuccess && n_device == 0))
    return error(Code::kDevice, "cuda: a driver but no device (CUDA_VISIBLE_DEVICES may hide it), want one at least");
  if (status != cudaSuccess) return runtime_error("counting the devices", status);

  std::vector<backend::DeviceInfo> devices;
  for (int device = 0; device < n_device; ++device) {
    ASSIGN_OR_RETURN(auto info, describe(device, driver_version));
    devices.push_back(std::move(info));
  }
  return devices;
}

}  // namespace tercet::cuda
