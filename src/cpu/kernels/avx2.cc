#include "base/check.h"
#include "cpu/kernels/simd_avx2.h"
// The shared sources, over the primitives above. All of it has internal linkage: a function that the linker shared
// could reach a machine without these instructions.
#include "cpu/kernels/attend.inc"
#include "cpu/kernels/matmul_float.inc"
#include "cpu/kernels/matmul_integer.inc"
#include "cpu/kernels/vector_ops.inc"

namespace tercet::cpu {

const Kernels kAvx2Kernels = {
    "avx2", prepare, matmul, rms_norm, rope, swiglu, softmax, axpy, store_kv, attend,
};

}  // namespace tercet::cpu
