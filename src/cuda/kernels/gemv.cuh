// Owns the products of decoding: up to 8 rows of activations against a tile of 16 weight rows.
//
//   y[n, o] = sum_k W[o, k] x[n, k]
//   x: [n <= 8, cols] f32, normalised on the way in where asked   W: quantized, layouts kQ4K, kQ6K, kQ8   y: f32
//   launch: a block for each 16 weight rows; its warps share the blocks of 256 columns among them, kUnits each
//   shared: the rows as f16, [n][cols + 32]; sums: f32 in the tensor cores over 256 columns, then block by block within
//   a warp, then warp by warp
//   cost: reads W once; bandwidth- and latency-bound. Each warp has all of its weights in flight before it waits for the
//   kernel in front of it, which is what hides the latency of the chain.
#pragma once

#include "cuda/kernels/fragments.cuh"
#include "cuda/kernels/limits.h"
#include "cuda/kernels/rows.cuh"

namespace tercet::cuda {

inline constexpr int kGemvRows = kGemvMaxRow;  // the tensor cores' N
inline constexpr int kGemvPad = 32;    // halves behind each row in shared memory, against bank conflicts
inline constexpr int kMaxUnits = 4;    // blocks of 256 columns a warp
inline constexpr int kMaxGemvWarp = 16;

struct GemvShared {
  half* rows;       // [n][cols + kGemvPad]
  float* inverse;   // [n][n_block] what the tensor cores' sums of a block are multiplied by
  float* partial;   // [max(n, 8)][n_warp] sums of squares
  float* reduce;    // [n_set][n_warp][16 * 8]
};

// Rounded up, since what follows is written two floats at a time.
__host__ __device__ constexpr int n_inverse(int n, int cols) { return (n * (cols / 256) + 3) / 4 * 4; }
__host__ __device__ inline size_t gemv_shared_bytes(int n, int cols, int n_warp, int n_set) {
  return sizeof(half) * n * (cols + kGemvPad) +
         sizeof(float) * (n_inverse(n, cols) + kGemvRows * n_warp + n_set * n_warp * 128);
}
__device__ __forceinline__ GemvShared carve(unsigned char* memory, int n, int cols, int n_warp) {
  GemvShared s;
  s.rows = reinterpret_cast<half*>(memory);
  s.inverse = reinterpret_cast<float*>(s.rows + n * (cols + kGemvPad));
  s.partial = s.inverse + n_inverse(n, cols);
  s.reduce = s.partial + kGemvRows * n_warp;
  return s;
}

// The norm's weights of this lane's columns: they are weights, so they come before the wait.
template <int kUnits>
struct NormWeights {
  Eight w[kUnits];
  __device__ void load(const float* norm, int n_block) {
    const int warp = threadIdx.x / 32;
    const int at = first_column(threadIdx.x % 32);
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int i = warp * kUnits + u;
      if (norm != nullptr && i < n_block) {
        const auto* p = reinterpret_cast<const float4*>(norm + 256 * i + at);
        w[u] = {__ldg(p), __ldg(p + 1)};
      } else {
        w[u] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
      }
    }
  }
};

// Brings this warp's blocks of n rows to shared memory as f16. `row_of(r)` is where row r begins. With `norm`, a row is
// first divided by its root mean square. `tap` takes the f32 values, [n, cols], where it is not null.
template <int kUnits, class RowOf>
__device__ void prepare_rows(const GemvShared& s, int n, int cols, bool norm, float eps, const NormWeights<kUnits>& w,
                             RowOf&& row_of, float* tap) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int n_warp = blockDim.x / 32;
  const int n_block = cols / 256;
  const int at = first_column(lane);
  Eight first[kUnits];  // of row 0, kept: with one row nothing is read twice
  for (int r = 0; r < n; ++r) {
    float sum = 0;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int i = warp * kUnits + u;
      if (i >= n_block) break;
      const Eight v = load_eight(row_of(r) + 256 * i + at);
      if (r == 0) first[u] = v;
      sum += sum_of_squares(v);
    }
    if (!norm) break;
    sum = warp_sum(sum);
    if (lane == 0) s.partial[r * n_warp + warp] = sum;
  }
  if (norm) __syncthreads();
  for (int r = 0; r < n; ++r) {
    float scale = 1;
    if (norm) {
      float sum = 0;
      for (int i = 0; i < n_warp; ++i) sum += s.partial[r * n_warp + i];
      scale = rms_scale(sum, cols, eps);
    }
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int i = warp * kUnits + u;
      if (i >= n_block) break;
      Eight v = r == 0 ? first[u] : load_eight(row_of(r) + 256 * i + at);
      if (norm) v = normalised(v, scale, w.w[u]);
      if (tap != nullptr) {
        auto* out = reinterpret_cast<float4*>(tap + int64_t{r} * cols + 256 * i + at);
        out[0] = v.a;
        out[1] = v.b;
      }
      const PowerOfTwo power = to_f16_range(warp_max(largest_magnitude(v)));
      *reinterpret_cast<uint4*>(s.rows + r * (cols + kGemvPad) + 256 * i + 8 * lane) = to_f16(v, power.scale);
      if (lane == 0) s.inverse[r * n_block + i] = power.inverse;
    }
  }
  __syncwarp();
}

// sum += W x over the steps 8 l .. 8 l + 7 of a block. `column` is this lane's row of activations (g) at the block;
// live: g < n.
template <class Frag, int l>
__device__ __forceinline__ void multiply_half(float (&sum)[4], const typename Frag::Head& head,
                                              const typename Frag::Half& half_block, const half* column, bool live,
                                              half2 up, int t) {
  for_each_step_pair<Frag, l>(head, half_block, t, up, [&]<int, int hi, int j>(const typename Frag::Scales& s) {
    constexpr int kPair = 4 * l + 2 * hi + j / 2;
    uint4 b = {0, 0, 0, 0};
    if (live) b = *reinterpret_cast<const uint4*>(column + 32 * kPair + 8 * t);
    uint32_t a[4];
    Frag::template frag<l, hi, j>(a, head, half_block, s);
    mma(sum, a, b.x, b.y);
    Frag::template frag<l, hi, j + 1>(a, head, half_block, s);
    mma(sum, a, b.z, b.w);
  });
}

// This warp's units of one tile of a matrix.
template <class Frag, int kUnits>
struct WarpTile {
  typename Frag::Head head[kUnits];
  typename Frag::Half half_block[kUnits][2];

  // Unit u is block first + u of rows row + g and row + g + 8 (numbered through all matrices); those beyond `last` are
  // read as `last`, and thrown away later. Units beyond n are left out.
  __device__ __forceinline__ void load(const Tensor& w, int64_t row, int64_t last, int first, int n) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      if (u >= n) break;
      load_one(u, w, row, last, first + u);
    }
  }
  __device__ __forceinline__ void load_one(int u, const Tensor& w, int64_t row, int64_t last, int i) {
    const int lane = threadIdx.x % 32;
    const int64_t n_block = w.cols / 256;
    const int64_t block[2] = {min(row + lane / 4, last) * n_block + i, min(row + lane / 4 + 8, last) * n_block + i};
    Frag::load_head(head[u], w, block);
    Frag::load_half(half_block[u][0], w, block, 0, lane % 4);
    Frag::load_half(half_block[u][1], w, block, 1, lane % 4);
  }

  // product = unit u times the block of activations at `column`, unscaled.
  __device__ __forceinline__ void multiply(float (&product)[4], int u, const Tensor& w, const half* column,
                                           bool live) const {
    const half2 up = __float2half2_rn(w.scale_up);
    const int t = threadIdx.x % 4;
    multiply_half<Frag, 0>(product, head[u], half_block[u][0], column, live, up, t);
    multiply_half<Frag, 1>(product, head[u], half_block[u][1], column, live, up, t);
  }
};

// This warp's share of a tile over the prepared rows: block by block, kUnits of them.
template <class Frag, int kUnits>
__device__ __forceinline__ void multiply_tile(float (&sum)[4], const WarpTile<Frag, kUnits>& tile, const Tensor& w,
                                              const GemvShared& s, int n) {
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
  const int n_block = w.cols / 256;
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int i = static_cast<int>(threadIdx.x / 32) * kUnits + u;
    if (i >= n_block) break;
    float block[4] = {};
    tile.multiply(block, u, w, s.rows + g * (w.cols + kGemvPad) + 256 * i, g < n);
    const float inverse0 = 2 * t < n ? s.inverse[2 * t * n_block + i] : 0.0F;
    const float inverse1 = 2 * t + 1 < n ? s.inverse[(2 * t + 1) * n_block + i] : 0.0F;
    sum[0] += block[0] * inverse0;
    sum[1] += block[1] * inverse1;
    sum[2] += block[2] * inverse0;
    sum[3] += block[3] * inverse1;
  }
}

__device__ __forceinline__ void store_partial(float* reduce, const float (&sum)[4]) {
  const int lane = threadIdx.x % 32;
  float* to = reduce + (threadIdx.x / 32) * 128 + (lane / 4) * 8 + 2 * (lane % 4);
  *reinterpret_cast<float2*>(to) = {sum[0], sum[1]};
  *reinterpret_cast<float2*>(to + 64) = {sum[2], sum[3]};
}
__device__ __forceinline__ float sum_partials(const float* reduce, int row, int column, int n_warp) {
  float sum = 0;
  for (int w = 0; w < n_warp; ++w) sum += reduce[w * 128 + row * 8 + column];
  return sum;
}

}  // namespace tercet::cuda
