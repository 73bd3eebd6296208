#include "base/check.h"
#include "cpu/kernels/simd_avx2.h"
#include "cpu/kernels/table.inc"

namespace tercet::cpu {

constinit const Kernels kAvx2Kernels = table("avx2");

}  // namespace tercet::cpu
