#include "cuda/error.h"

namespace tercet::cuda {
namespace {

// Errors that stay: the process's context on the device is gone (CUDA Runtime API, cudaError_t: "leaves the process in an
// inconsistent state and any further CUDA work will return the same error").
bool is_sticky(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorContextIsDestroyed:
    case cudaErrorExternalDevice:
    case cudaErrorMpsClientTerminated: return true;
    default: return false;
  }
}

bool is_without_code(cudaError_t status) {
  switch (status) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorJitCompilerNotFound:
    case cudaErrorJitCompilationDisabled: return true;
    default: return false;
  }
}

}  // namespace

tl::unexpected<Error> cuda_error(std::string_view what, cudaError_t status) {
  const char* text = cudaGetErrorString(status);
  const char* name = cudaGetErrorName(status);
  if (status == cudaErrorMemoryAllocation)
    return with_hint(error(Code::kOutOfMemory, "cuda: {}: {} ({}), want more free memory", what, text, name),
                     "nvidia-smi shows who holds the device's memory");
  if (is_sticky(status))
    return with_hint(error(Code::kDevice, "cuda: {}: the device is lost to this process: {} ({}), want one that works",
                           what, text, name),
                     "start the program again; the system's log (dmesg) names faults of the device as Xid");
  if (is_without_code(status))
    return with_hint(
        error(Code::kDevice, "cuda: {}: {} ({}), want a build that has code for this device", what, text, name),
        "make build CMAKE_ARGS=-DTERCET_CUDA_ARCHITECTURES=native");
  if (status == cudaErrorDevicesUnavailable || status == cudaErrorDeviceAlreadyInUse)
    return with_hint(error(Code::kDevice, "cuda: {}: {} ({}), want a device that is free", what, text, name),
                     "nvidia-smi shows who uses it and its compute mode; --device chooses another");
  return error(Code::kDevice, "cuda: {}: {} ({}), want a working CUDA device", what, text, name);
}

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

Status check_runtime(int driver_version, cudaError_t counted, int n_device) {
  const auto no_driver = [](std::string_view seen) {
    return with_hint(error(Code::kDevice, "cuda: {}, want an NVIDIA driver for CUDA {} or newer", seen,
                           version_text(CUDART_VERSION)),
                     "nvidia-smi shows the driver; --backend cpu runs without one");
  };
  if (driver_version == 0) return no_driver("no driver found");
  if (counted == cudaErrorInsufficientDriver)
    return no_driver(fmt::format("the driver is for CUDA {}", version_text(driver_version)));
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && n_device == 0))
    return with_hint(error(Code::kDevice, "cuda: a driver but no device, want one at least"),
                     "CUDA_VISIBLE_DEVICES may hide it; --backend cpu runs without one");
  return check(counted, "counting the devices");
}

}  // namespace tercet::cuda
