// route   contract: docs/stages.md#route   mirrors: ref/route.cc, cpu/route.cc, wgpu/route.wgsl
//   h = rms_norm(x); p = softmax(W h); ids = top-k(p), ties to the lower id; w = p[ids] / sum p[ids]
//   x, h: [n_row, d_model] f32   W: [n_expert, d_model] f32   ids: [n_row, k] i32   w: [n_row, k] f32
//   launch: few rows: a block for an expert and a row, the norm on the way; the choice is in the experts' first kernel.
//   Else a kernel for prompts, or products.cu; then a warp a row, and a block an expert that lists the expert's rows
//   sum: f32, a fixed tree
//   cost: reads 4 * n_expert * d_model bytes once a step; bandwidth- and latency-bound for few rows
#include <algorithm>

#include "cuda/kernels/choose.cuh"
#include "cuda/kernels/gemv_one.cuh"
#include "cuda/products.h"

namespace tercet::cuda {
namespace {

constexpr int kRouteThread = 256;
constexpr int kRouteUnits = 8;  // f32 weights a thread at most: d_model up to 2,048 without a second look

// Few rows: logits[r, e] = W_e . rms_norm(x_r), both sums in one pass over x, and the normalised rows as the experts read
// them, a block of 256 columns by each of the first blocks of the grid.
__global__ void __launch_bounds__(kRouteThread)
    route_few_kernel(const float* router, const float* norm, float eps, const float* x, int d_model, int n_expert,
                     float* logits, OneRow rows, float* h) {
  __shared__ float partial[2][kRouteThread / 32];
  grid_launch_next();
  const int e = blockIdx.x;
  const int64_t r = blockIdx.y;
  const int n_four = d_model / 4;
  const auto* w4 = reinterpret_cast<const float4*>(router + int64_t{e} * d_model);
  const auto* norm4 = reinterpret_cast<const float4*>(norm);
  const auto* x4 = reinterpret_cast<const float4*>(x + r * d_model);
  // Weights come before the wait.
  float4 w[kRouteUnits / 4];
#pragma unroll
  for (int i = 0; i < kRouteUnits / 4; ++i) {
    const int at = static_cast<int>(threadIdx.x) + i * kRouteThread;
    w[i] = {0, 0, 0, 0};
    if (at >= n_four) continue;
    const float4 a = __ldg(w4 + at);
    const float4 b = __ldg(norm4 + at);
    w[i] = {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w};
  }
  OneInput<1> input;
  const bool puts = e < d_model / 256 && threadIdx.x < 32;
  if (puts) input.load_norm(norm, d_model, e);
  grid_wait();
  const OneRow row_out = rows.of(r, d_model);
  if (puts) {
    input.load(x + r * d_model, d_model, e);
    input.put(row_out, d_model, e, true);
  }
  float squares = 0;
  float dot = 0;
  for (int at = threadIdx.x, i = 0; at < n_four; at += kRouteThread, ++i) {
    const float4 v = __ldcg(x4 + at);
    float4 u;
    if (i < kRouteUnits / 4) {
      u = i == 0 ? w[0] : w[1];
    } else {
      const float4 a = __ldg(w4 + at);
      const float4 b = __ldg(norm4 + at);
      u = {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w};
    }
    squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    dot += v.x * u.x + v.y * u.y + v.z * u.z + v.w * u.w;
  }
  squares = warp_sum(squares);
  dot = warp_sum(dot);
  if (threadIdx.x % 32 == 0) {
    partial[0][threadIdx.x / 32] = squares;
    partial[1][threadIdx.x / 32] = dot;
  }
  __syncthreads();
  if (threadIdx.x >= 32) return;
  squares = 0;
  dot = 0;
  for (int i = 0; i < kRouteThread / 32; ++i) {
    squares += partial[0][i];
    dot += partial[1][i];
  }
  const float scale = rms_scale(squares, d_model, eps);
  if (threadIdx.x == 0) logits[r * n_expert + e] = dot * scale;
  if (!puts) return;
  // The planes were put without the norm's scale, which goes into what the products are multiplied by.
  if (h != nullptr) input.write_normalised(h + r * d_model, d_model, e, scale);
  if (threadIdx.x == 0) row_out.inverse[e] *= scale;
}

// Prompts: 16 rows by 128 experts by a part of the columns a block; a thread has four rows of two experts. Who chooses adds
// the parts up, in order.
//   logits[part, r, e] = W_e . h_r over the part   shared: 64 columns of both, twice   sum: f32, four at a time, in the
//   order of k
constexpr int kPromptRows = 16;
constexpr int kPromptExperts = 128;
constexpr int kPromptCols = 64;
constexpr int kPromptStride = kPromptCols + 4;  // floats: neighbouring rows begin in other banks
constexpr size_t kPromptShared = size_t{2} * (kPromptRows + kPromptExperts) * kPromptStride * sizeof(float);

__global__ void __launch_bounds__(kRouteThread)
    route_prompt_kernel(const float* router, const float* h, int n_row, int d_model, int n_expert, float* logits) {
  extern __shared__ __align__(16) float tile[];
  grid_launch_next();
  grid_wait();
  const int first_row = kPromptRows * static_cast<int>(blockIdx.x);
  const int first_expert = kPromptExperts * static_cast<int>(blockIdx.y);
  const int per_part = (d_model / 4 + kRouteParts - 1) / kRouteParts * 4;
  const int begin = per_part * static_cast<int>(blockIdx.z);
  const int end = min(d_model, begin + per_part);
  const int e = threadIdx.x / 4;
  constexpr int kStage = (kPromptRows + kPromptExperts) * kPromptStride;
  const auto fetch = [&](int k, int stage) {
    for (int i = threadIdx.x; i < (kPromptRows + kPromptExperts) * (kPromptCols / 4); i += kRouteThread) {
      const int r = i / (kPromptCols / 4);
      const int c = i % (kPromptCols / 4) * 4;
      const bool is_h = r < kPromptRows;
      const int64_t at = is_h ? min(first_row + r, n_row - 1) : min(first_expert + r - kPromptRows, n_expert - 1);
      const int n = max(0, min(16, 4 * (end - k - c)));
      copy_async(tile + stage * kStage + r * kPromptStride + c,
                 (is_h ? h : router) + at * d_model + (n > 0 ? k + c : 0), n);
    }
    commit_async();
  };
  float4 sum[2][4] = {};
  fetch(begin, 0);
  for (int k = begin, stage = 0; k < end; k += kPromptCols, stage ^= 1) {
    wait_async<0>();
    __syncthreads();
    if (k + kPromptCols < end) fetch(k + kPromptCols, stage ^ 1);
    const float* x = tile + stage * kStage + threadIdx.x % 4 * kPromptStride;
    const float* w = tile + stage * kStage + (kPromptRows + e) * kPromptStride;
#pragma unroll 4
    for (int i = 0; i < kPromptCols; i += 4) {
      float4 b[4];
#pragma unroll
      for (int r = 0; r < 4; ++r) b[r] = *reinterpret_cast<const float4*>(x + 4 * r * kPromptStride + i);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const float4 a = *reinterpret_cast<const float4*>(w + m * (kPromptExperts / 2) * kPromptStride + i);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          sum[m][r].x = fmaf(a.x, b[r].x, sum[m][r].x);
          sum[m][r].y = fmaf(a.y, b[r].y, sum[m][r].y);
          sum[m][r].z = fmaf(a.z, b[r].z, sum[m][r].z);
          sum[m][r].w = fmaf(a.w, b[r].w, sum[m][r].w);
        }
      }
    }
  }
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int row = first_row + static_cast<int>(threadIdx.x % 4) + 4 * r;
      const int expert = first_expert + e + m * (kPromptExperts / 2);
      const float4& s = sum[m][r];
      if (row < n_row && expert < n_expert)
        logits[(int64_t{blockIdx.z} * n_row + row) * n_expert + expert] = (s.x + s.y) + (s.z + s.w);
    }
}

// A warp a row: k times the first of the largest.
template <int kPer>
__global__ void choose_kernel(const float* logits, int n_part, int n_row, int n_expert, int k, int32_t* ids,
                              float* weights) {
  grid_launch_next();
  grid_wait();
  const int r = static_cast<int>(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32);
  if (r >= n_row) return;
  const auto logit = [&](int e) {
    float sum = __ldcg(logits + int64_t{r} * n_expert + e);
    for (int part = 1; part < n_part; ++part) sum += __ldcg(logits + (int64_t{part} * n_row + r) * n_expert + e);
    return sum;
  };
  choose_experts<kPer>(logit, n_expert, k, ids + r * k, weights + r * k);
}

// A block an expert: its slots in order, and its tiles. Every block counts all slots, so none waits for another.
//   shared: a count for each expert
__global__ void __launch_bounds__(kGroupThread)
    group_kernel(const int32_t* ids, int n_slot, int n_expert, int k, int tile_rows, int32_t* slot_row,
                 int32_t* slot_id, Tile* tiles, int32_t* n_tile) {
  extern __shared__ int32_t count[];
  __shared__ int32_t warp_base[kGroupThread / 32];
  grid_launch_next();
  grid_wait();
  const int e = blockIdx.x;
  for (int i = threadIdx.x; i < n_expert + 1; i += kGroupThread) count[i] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < n_slot; i += kGroupThread)
    atomicAdd(count + __ldcg(ids + i), 1);  // integers: any order
  __syncthreads();
  int begin = 0;
  int first_tile = 0;
  for (int i = 0; i < e; ++i) {
    begin += count[i];
    first_tile += (count[i] + tile_rows - 1) / tile_rows;
  }
  const int n = count[e];
  const int n_mine = (n + tile_rows - 1) / tile_rows;
  for (int i = threadIdx.x; i < n_mine; i += kGroupThread)
    tiles[first_tile + i] = {e, begin + i * tile_rows, min(tile_rows, n - i * tile_rows)};
  if (e == n_expert - 1 && threadIdx.x == 0) *n_tile = first_tile + n_mine;

  int found = 0;
  const unsigned below = (1U << (threadIdx.x % 32)) - 1;
  for (int base = 0; base < n_slot && found < n; base += kGroupThread) {
    const int i = base + static_cast<int>(threadIdx.x);
    const bool mine = i < n_slot && __ldcg(ids + i) == e;
    const unsigned vote = __ballot_sync(kFullWarp, mine);
    if (threadIdx.x % 32 == 0) warp_base[threadIdx.x / 32] = __popc(vote);
    __syncthreads();
    int at = begin + found;
    int here = 0;
    for (int w = 0; w < kGroupThread / 32; ++w) {
      if (w < static_cast<int>(threadIdx.x / 32)) at += warp_base[w];
      here += warp_base[w];
    }
    if (mine) {
      at += __popc(vote & below);
      slot_row[at] = i / k;
      slot_id[at] = i;
    }
    found += here;
    __syncthreads();
  }
}

}  // namespace

void Stages::group_slots(int tile_rows) {
  const int k = config_.n_expert_used;
  launch("group", group_kernel, config_.n_expert, kGroupThread, sizeof(int32_t) * (config_.n_expert + 1),
         static_cast<const int32_t*>(b.ids), plan_.n_row * k, config_.n_expert, k, tile_rows, b.slot_row, b.slot_id,
         b.tiles, b.n_tile);
}

void Stages::route(const model::LayerSpec& layer, const model::Shape& shape) {
  using backend::Tap;
  const LayerWeights& w = weights_of(layer);
  const int n_row = shape.n_row;
  const int k = config_.n_expert_used;
  const ExpertPath path = expert_path(w);
  const bool to_many = path == ExpertPath::kMany;  // which reads the rows in f16
  const bool is_f32 = !exact() && w.gate_inp.type == 0 && config_.d_model % 4 == 0;
  if (path == ExpertPath::kFew) {
    launch("route", route_few_kernel, dim3(config_.n_expert, n_row), kRouteThread, 0,
           reinterpret_cast<const float*>(w.gate_inp.quants), w.ffn_norm, config_.rms_eps,
           static_cast<const float*>(b.x), config_.d_model, config_.n_expert, b.router, b.rows,
           if_wanted(Tap::kFfnNorm, b.h));
  } else {
    normalise(w.ffn_norm, n_row, nullptr, to_many);
    const Product product = {&w.gate_inp, b.router, config_.n_expert, false};
    if (is_f32)
      launch("route", route_prompt_kernel,
             dim3((n_row + kPromptRows - 1) / kPromptRows, (config_.n_expert + kPromptExperts - 1) / kPromptExperts,
                  kRouteParts),
             kRouteThread, kPromptShared, reinterpret_cast<const float*>(w.gate_inp.quants),
             static_cast<const float*>(b.h), n_row, config_.d_model, config_.n_expert, b.router);
    else
      products("route", {b.h, config_.d_model, nullptr, n_row, nullptr, nullptr}, &product, 1);
  }
  tap(Tap::kFfnNorm, layer.index, b.h, n_row, config_.d_model);
  if (path == ExpertPath::kFew) return;  // the choice is in the experts' first kernel, and so are its taps
  const auto choose = config_.n_expert <= 128   ? choose_kernel<4>
                      : config_.n_expert <= 512 ? choose_kernel<16>
                                                : choose_kernel<kMaxExperts / 32>;
  launch("choose", choose, (n_row + 7) / 8, 256, 0, static_cast<const float*>(b.router), is_f32 ? kRouteParts : 1,
         n_row, config_.n_expert, k, b.ids, b.weights);
  tap_ids(Tap::kFfnMoeTopk, layer.index, b.ids, n_row, k);
  tap(Tap::kFfnMoeWeightsNorm, layer.index, b.weights, n_row, k);
}

}  // namespace tercet::cuda
