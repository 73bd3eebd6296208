#include "base/check.h"
#include "cpu/kernels/simd_avx512.h"
#include "cpu/kernels/table.inc"

namespace tercet::cpu {

constinit const Kernels kAvx512Kernels = table("avx512-vnni");

}  // namespace tercet::cpu
