#include "base/check.h"
#include "cpu/kernels/simd_generic.h"
#include "cpu/kernels/table.inc"

namespace tercet::cpu {

constinit const Kernels kGenericKernels = table("generic");

}  // namespace tercet::cpu
