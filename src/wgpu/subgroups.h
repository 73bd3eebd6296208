// Owns whether kernels use subgroups, and how many lanes they take for granted.
#pragma once

#include "base/result.h"
#include "wgpu/context.h"

namespace tercet::wgpu {

// How many neighbours, a power of two up to 64, find each other by shuffling in any kernel: 1 if subgroups are not to be used. They
// are not where the adapter has no such feature, where the table of makers says so (quirks.h), and with TERCET_WGPU_SUBGROUPS=off.
// WebGPU does not promise that neighbours by number share a subgroup, so a kernel tries it; and kernels may differ in the size of
// their subgroups, so that no more lanes are taken for granted than the driver or the table says that there always are.
// Errors: kInvalidArgument for another value of the variable; those of Context.
Result<int> subgroup_width(Context& context);

}  // namespace tercet::wgpu
