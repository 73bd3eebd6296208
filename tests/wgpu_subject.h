// Owns what the tests of the WebGPU backend ask of an adapter.
#pragma once

#include "support/subject.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {

// The whole suites are for GPUs: an adapter that computes on the CPU takes an hour for them, and wgpu_forward_test is there
// for it. Errors: kDevice, with the reason.
inline Status check_gpu(int device) {
  RETURN_IF_ERROR(wgpu::check_device(device));
  ASSIGN_OR_RETURN(const auto devices, wgpu::list_devices());
  const backend::DeviceInfo& info = devices[static_cast<size_t>(device)];
  if (info.kind == backend::DeviceKind::kSoftware)
    return error(Code::kDevice, "wgpu: {} computes on the CPU, want a GPU for this suite", info.name);
  return {};
}

inline Subject on_wgpu(backend::Precision precision) { return {&wgpu::kFactory, precision, check_gpu}; }

}  // namespace tercet::tests
