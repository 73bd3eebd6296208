// Owns the small device functions that every kernel uses: the tensor cores' product, reductions in a fixed order, and the
// two ends of a programmatic dependent launch.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace tercet::cuda {

inline constexpr unsigned kFullWarp = 0xFFFFFFFFU;

// Programmatic dependent launch (CUDA Programming Guide, "Programmatic Dependent Launch and Synchronization"): a kernel
// may start before the one in front of it ends. Before grid_wait() it may touch only what no kernel of a step writes:
// weights. Every thread that reads or writes activations calls grid_wait() first. Below sm_90 both are nothing, and
// kernels run one after the other.
__device__ __forceinline__ void grid_wait() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void grid_launch_next() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// c += a b on the tensor cores: a [16, 16], b [16, 8] f16, c [16, 8] f32 (PTX ISA, mma.m16n8k16). Of lane 4 g + t:
//   a: (g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..)   b: (2t.., g), (2t + 8.., g)
//   c: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int i = 16; i > 0; i /= 2) x += __shfl_xor_sync(kFullWarp, x, i);
  return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int i = 16; i > 0; i /= 2) x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, i));
  return x;
}

// The sum over a block of n_warp warps, the same bits in every thread. `scratch` holds n_warp floats; the caller
// synchronises before it is used again.
__device__ __forceinline__ float block_sum(float x, float* scratch, int n_warp) {
  x = warp_sum(x);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0;
  for (int w = 0; w < n_warp; ++w) sum += scratch[w];
  return sum;
}

union Half2Bits {
  half2 h;
  uint32_t u;
};
__device__ __forceinline__ uint32_t to_bits(half2 h) {
  Half2Bits x;
  x.h = h;
  return x.u;
}
__device__ __forceinline__ half2 from_bits(uint32_t u) {
  Half2Bits x;
  x.u = u;
  return x.h;
}

// Values that were just written by another kernel: past the first-level cache, which is not coherent.
template <typename T>
__device__ __forceinline__ T load_fresh(const T* p) {
  return __ldcg(p);
}
// Weights: read once a step, so they should not push anything else out of the first-level cache.
__device__ __forceinline__ uint4 load_weights(const void* p) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// 16 bytes from global to shared memory, asynchronously; bytes beyond n are zeros (n = 0: reads nothing).
__device__ __forceinline__ void copy_async(void* shared, const void* global, int n = 16) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(n) : "memory");
}
__device__ __forceinline__ void commit_async() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void wait_async() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace tercet::cuda
