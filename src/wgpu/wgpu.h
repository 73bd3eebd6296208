// Owns what the rest of Tercet sees of WebGPU.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"

namespace tercet::wgpu {

// Errors of make: kDevice if the build has no WebGPU, or Options::device is not there; kUnsupported for a shape that no
// kernel takes, or a tensor over the adapter's limits; kOutOfMemory; kIo.
extern const backend::Factory kFactory;

// The adapters of Vulkan, Metal and D3D12 (never OpenGL): the discrete GPUs, then the integrated, software last; the same
// GPU may come once for each. Vendors and what is known of them are quirks.h's.
// WebGPU does not tell of memory: only an adapter that computes on the CPU has the host's.
// Errors: kDevice if the build has no WebGPU, or there is no adapter.
Result<std::vector<backend::DeviceInfo>> list_devices();

// That there is an adapter of that index. Errors: kDevice.
Status check_device(int device);

// Bytes a second that the device reads of its own memory: the best of several passes over a buffer of 1 GiB, or less where
// the adapter's limits or its memory want that. For a GPU: an adapter that computes on the CPU would read the host's.
// Errors: kDevice, kOutOfMemory, kUnsupported.
Result<double> measure_read_bandwidth(int device);

// What it does at most of what products are made of in every precision: the best of several passes. No thread of the host has a
// part in it. Errors: kDevice, kOutOfMemory.
Result<backend::Arithmetic> measure_arithmetic(int device, int n_thread);

}  // namespace tercet::wgpu
