// Owns the products of prompts and of many sequences: a tile of 128 weight rows against up to 16, 32 or 64 rows of activations.
//
//   y[n, o] = sum_k W[o, k] x[n, k]
//   x: [n <= 8 kTiles, cols] f16 in the canonical order   W: quantized, layouts kQ4K, kQ6K, kQ8   y: f32
//   launch: 4 warps, each 2 x 16 weight rows by all of n; 2 blocks a multiprocessor, 3 with up to 32 rows
//   shared: 256 columns of x, [n][256 + 32] f16, twice; sums: f32 in the tensor cores, all columns in order
//   cost: 2 n flops a weight, 2 to 3 instructions to expand it; with n = 64 the tensor cores are the bound
#pragma once

#include "cuda/kernels/fragments.cuh"

namespace tercet::cuda {

inline constexpr int kGemmThread = 128;
inline constexpr int kGemmTileRows = 128;     // weight rows a block: 4 warps of 2 x 16
inline constexpr int kGemmStride = 256 + 32;  // halves; 64 bytes modulo 128, so that 16-byte loads meet no bank twice
constexpr size_t gemm_shared_bytes(int n_tile) { return size_t{2} * 8 * n_tile * kGemmStride * sizeof(half); }
constexpr int gemm_blocks(int n_tile) { return n_tile > 4 ? 2 : 3; }  // a multiprocessor

// sum[m][c] += W_m rows row[m] .. row[m] + 15 times the rows of activations 8 c .. 8 c + 7, in the tensor cores' layout.
// Both matrices have one layout and one number of columns. Rows beyond last[m] are read as last[m]. `row_of(r)` is where
// row r of the activations begins; r < n. `before_rows()` is called when the first weights are under way.
// Of the columns, blocks first .. end - 1.
template <class Frag, int kTiles, class BeforeRows, class RowOf>
__device__ __forceinline__ void gemm_tile(float (&sum)[2][kTiles][4], const Tensor& w0, const Tensor& w1,
                                          const int64_t (&row)[2], const int64_t (&last)[2], int n, int first, int end,
                                          half* shared, BeforeRows&& before_rows, RowOf&& row_of) {
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const int n_block = w0.cols / 256;
  const half2 up[2] = {__float2half2_rn(w0.scale_up), __float2half2_rn(w1.scale_up)};
  int64_t block[2][2];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    block[m][0] = min(row[m] + g, last[m]) * n_block + first;
    block[m][1] = min(row[m] + g + 8, last[m]) * n_block + first;
  }
  typename Frag::Head head[2], next_head[2];
  typename Frag::Half half_block[2][2];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    const Tensor& w = m == 0 ? w0 : w1;
    Frag::load_head(head[m], w, block[m]);
    Frag::load_half(half_block[m][0], w, block[m], 0, t);
    Frag::load_half(half_block[m][1], w, block[m], 1, t);
  }
  before_rows();

  const int n_padded = (n + 7) / 8 * 8;
  const auto fetch = [&](int i) {
    half* to = shared + (i % 2) * 8 * kTiles * kGemmStride;
    for (int c = threadIdx.x; c < n_padded * 32; c += kGemmThread) {
      const int r = c / 32;
      copy_async(to + r * kGemmStride + 8 * (c % 32), row_of(min(r, n - 1)) + 256 * i + 8 * (c % 32), r < n ? 16 : 0);
    }
    commit_async();
  };
  fetch(first);
  for (int i = first; i < end; ++i) {
    wait_async<0>();
    __syncthreads();
    const bool more = i + 1 < end;
    if (more) {
      fetch(i + 1);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        ++block[m][0];
        ++block[m][1];
        Frag::load_head(next_head[m], m == 0 ? w0 : w1, block[m]);
      }
    }
    const half* column = shared + (i % 2) * 8 * kTiles * kGemmStride + g * kGemmStride + 8 * t;
    // The weights of the next block's half are loaded as soon as this block's are used up.
    const auto half_of_block = [&]<int l>() {
      typename Frag::Scales s[2];
#pragma unroll
      for (int m = 0; m < 2; ++m) Frag::template expand<l>(s[m], head[m], half_block[m][l], t, up[m]);
      const auto pair = [&]<int hi, int j>() {
        constexpr int kPair = 4 * l + 2 * hi + j / 2;
        uint32_t a[2][2][4];
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          Frag::template frag<l, hi, j>(a[m][0], head[m], half_block[m][l], s[m]);
          Frag::template frag<l, hi, j + 1>(a[m][1], head[m], half_block[m][l], s[m]);
        }
#pragma unroll
        for (int c = 0; c < kTiles; ++c) {
          if (8 * c >= n) break;
          const uint4 x = *reinterpret_cast<const uint4*>(column + 8 * c * kGemmStride + 32 * kPair);
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            mma(sum[m][c], a[m][0], x.x, x.y);
            mma(sum[m][c], a[m][1], x.z, x.w);
          }
        }
      };
      pair.template operator()<0, 0>();
      pair.template operator()<0, 2>();
      pair.template operator()<1, 0>();
      pair.template operator()<1, 2>();
      if (more)
#pragma unroll
        for (int m = 0; m < 2; ++m) Frag::load_half(half_block[m][l], m == 0 ? w0 : w1, block[m], l, t);
    };
    half_of_block.template operator()<0>();
    half_of_block.template operator()<1>();
#pragma unroll
    for (int m = 0; m < 2; ++m) head[m] = next_head[m];
  }
}

// Calls f<Frag>() for a layout that has fragments.
template <class F>
__device__ __forceinline__ void with_frag(Layout layout, F&& f) {
  if (layout == Layout::kQ4K)
    f.template operator()<FragQ4K>();
  else if (layout == Layout::kQ6K)
    f.template operator()<FragQ6K>();
  else
    f.template operator()<FragQ8>();
}

}  // namespace tercet::cuda
