// experts   contract: docs/stages.md#experts   mirrors: ref/experts.cc, cpu/experts.cc, wgpu/experts.wgsl
//   y = sum_i w_i down_e(silu(gate_e h) * up_e h), e = ids_i, in slot order; x = x + y
//   h, x, y: [n_row, d_model] f32   gate, up: [n_expert][d_ff, d_model]   down: [n_expert][d_model, d_ff] quantized
//   launch: few rows: two kernels, a block for 16 rows of an expert, and for 16 rows of all of a row's choices. More:
//   kernels/gemm.cuh, a block for 64 rows of an expert and up to 64 of its slots; then the sum over a row's slots
//   sum: f32, a fixed order, then slot order; the residual is added in f32
//   cost: reads each chosen expert's matrices once a step; bandwidth-bound for few rows
#include <algorithm>

#include "cuda/kernels/choose.cuh"
#include "cuda/kernels/gemm.cuh"
#include "cuda/kernels/gemv_one.cuh"
#include "cuda/products.h"

namespace tercet::cuda {
namespace {

__device__ __forceinline__ float silu_times(float gate, float up) { return gate / (1.0F + expf(-gate)) * up; }

// Which expert has rank `choice` among the router's logits, in every lane. Every warp finds out for itself, and nobody waits
// for a list. kPer * 32 is n_expert at least.
template <int kPer>
__device__ __forceinline__ int find_choice(const float* router, int n_expert, int choice) {
  float logit[kPer];
#pragma unroll
  for (int i = 0; i < kPer; ++i) {
    const int e = static_cast<int>(threadIdx.x % 32) + 32 * i;
    logit[i] = e < n_expert ? __ldcg(router + e) : 0.0F;
  }
  uint32_t key[kPer];
#pragma unroll
  for (int i = 0; i < kPer; ++i) {
    const int e = static_cast<int>(threadIdx.x % 32) + 32 * i;
    key[i] = e < n_expert ? choice_order(logit[i]) : 0U;
  }
  return place_of_rank<kPer>(key, choice);
}

struct GateUpFew {
  Tensor gate, up;
  OneRow rows;  // what route left
  const float* router;
  int n_expert;
  float* act;     // [k, d_ff]
  int32_t* ids;   // [k]
  float* chosen;  // [k] their logits
};

template <class One, int kUnits>
__device__ __forceinline__ void gate_up_few_block(const GateUpFew& p, int expert, const FetchedBlock (&fetched)[kUnits],
                                                  unsigned char* memory) {
  __shared__ float reduce[2][kMaxOneWarp][16];
  const int cols = p.gate.cols;
  const int n_block = cols / 256;
  const int warp = threadIdx.x / 32;
  const int first = warp * kUnits;
  const int64_t base = int64_t{expert} * p.gate.rows;
  const int o = 16 * static_cast<int>(blockIdx.x);
  OneTile<One, kUnits> gate;
  OneTile<One, kUnits> up;
  gate.load(p.gate, base + o, base + p.gate.rows - 1, first);
  up.load(p.up, base + o, base + p.up.rows - 1, first);
  const OneRow x = carve_one(memory, cols);
#pragma unroll
  for (int u = 0; u < kUnits; ++u)
    if (first + u < n_block) fetched[u].put(x, first + u);
  __syncwarp();
  float sum_gate[2] = {};
  float sum_up[2] = {};
  gate.multiply(sum_gate, x, n_block, first);
  up.multiply(sum_up, x, n_block, first);
  put_sums(reduce[0][warp], sum_gate);
  put_sums(reduce[1][warp], sum_up);
  __syncthreads();
  const int i = threadIdx.x;
  if (i >= 32) return;
  const float g = sum_warps(reduce[0], static_cast<int>(blockDim.x / 32));
  const float u = sum_warps(reduce[1], static_cast<int>(blockDim.x / 32));
  if (i >= 16 || o + i >= p.gate.rows) return;
  p.act[(int64_t{blockIdx.z} * gridDim.y + blockIdx.y) * p.gate.rows + o + i] = silu_times(g, u);
}

// Few rows: blockIdx.y is the choice, blockIdx.z the row. kernels/gemv_one.cuh.
template <int kUnits, int kPer, int kMinBlocks>
__global__ void __launch_bounds__(256, kMinBlocks) gate_up_few_kernel(GateUpFew p) {
  extern __shared__ __align__(16) unsigned char memory[];
  grid_launch_next();
  grid_wait();
  const int cols = p.gate.cols;
  FetchedBlock fetched[kUnits];
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int block = static_cast<int>(threadIdx.x / 32) * kUnits + u;
    if (block < cols / 256) fetched[u].load(p.rows.of(blockIdx.z, cols), block);
  }
  const float* router = p.router + int64_t{blockIdx.z} * p.n_expert;
  const int expert = find_choice<kPer>(router, p.n_expert, static_cast<int>(blockIdx.y));
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    const int64_t slot = int64_t{blockIdx.z} * gridDim.y + blockIdx.y;
    p.ids[slot] = expert;
    p.chosen[slot] = __ldcg(router + expert);
  }
  with_one(p.gate.layout, [&]<class One>() { gate_up_few_block<One, kUnits>(p, expert, fetched, memory); });
}

struct DownFew {
  Tensor down;
  const float* act;
  const int32_t* ids;
  const float* chosen;
  int k;
  float* x;        // [n_row, d_model]
  float* squares;  // null, or of the only row
  float* weights;  // [n_row, k], for who wants to know
  float* y;        // null
};

// Few rows: 16 rows of down for all choices of row blockIdx.y. The warps share the (choice, block of 256 columns) pairs.
//   sum: f32; within a warp pair by pair, each times its choice's weight, then warp by warp
template <class One, int kUnits>
__device__ __forceinline__ void down_few_block(float (&sum)[2], const DownFew& p, const OneRow& rows) {
  const int lane = threadIdx.x % 32;
  const int n_block = p.down.cols / 256;
  const int n_pair = p.k * n_block;
  const int first = static_cast<int>(threadIdx.x / 32) * kUnits;
  const int o = 16 * static_cast<int>(blockIdx.x);
  const int64_t slots = int64_t{blockIdx.y} * p.k;
  const int id = lane < p.k ? __ldcg(p.ids + slots + lane) : 0;
  const float chosen = lane < p.k ? __ldcg(p.chosen + slots + lane) : 0.0F;
  OneTile<One, kUnits> tile;
  Eight act[kUnits];
#pragma unroll
  for (int u = 0; u < kUnits; ++u)
    if (first + u < n_pair)
      act[u] = load_eight(p.act + slots * p.down.cols + int64_t{first + u} * 256 + first_column(lane));
  const float largest =
      __shfl_sync(kFullWarp, chosen, 0);  // here, so that nothing behind the weights' loads waits with them
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    if (first + u >= n_pair) break;
    const int64_t base = int64_t{__shfl_sync(kFullWarp, id, (first + u) / n_block)} * p.down.rows;
    tile.load_one(u, p.down, base + o, base + p.down.rows - 1, (first + u) % n_block);
  }
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    if (first + u >= n_pair) break;
    put_block(rows, first + u, act[u]);
  }
  __syncwarp();
  const float weight = choice_weight(chosen, largest, p.k);
  if (blockIdx.x == 0 && threadIdx.x < p.k) p.weights[slots + threadIdx.x] = weight;
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    if (first + u >= n_pair) break;
    float product[2] = {};
    One::multiply(product, tile.raw[u], rows, first + u);
    const float w = __shfl_sync(kFullWarp, weight, (first + u) / n_block);
    sum[0] += product[0] * w;
    sum[1] += product[1] * w;
  }
}

// Several rows: two blocks a multiprocessor, so that one computes while the other waits.
template <int kUnits, int kMaxWarp, int kMinBlocks>
__global__ void __launch_bounds__(32 * kMaxWarp, kMinBlocks) down_few_kernel(DownFew p) {
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ float reduce[kMaxWarp][16];
  grid_launch_next();
  grid_wait();
  const int i = threadIdx.x;
  const int o = 16 * static_cast<int>(blockIdx.x) + i;
  const int64_t at = int64_t{blockIdx.y} * p.down.rows + o;
  const bool is_writer = i < 16 && o < p.down.rows;
  float x = is_writer ? __ldcg(p.x + at) : 0.0F;
  float sum[2] = {};
  with_one(p.down.layout,
           [&]<class One>() { down_few_block<One, kUnits>(sum, p, carve_one(memory, p.k * p.down.cols)); });
  put_sums(reduce[threadIdx.x / 32], sum);
  __syncthreads();
  if (i >= 32) return;
  const float total = sum_warps(reduce, static_cast<int>(blockDim.x / 32));
  if (i >= 16) return;
  if (is_writer) {
    if (p.y != nullptr) p.y[at] = total;
    x += total;
    p.x[at] = x;
  }
  if (p.squares != nullptr) put_squares(p.squares, static_cast<int>(blockIdx.x), x);
}

// Prompts. A warp has 16 rows of gate and the same 16 of up, so that the activation never leaves its registers.
template <int kTiles>
__global__ void __launch_bounds__(kGemmThread, gemm_blocks(kTiles))
    gate_up_gemm_kernel(Tensor gate, Tensor up, const Tile* tiles, const int32_t* n_tile, const half* rows16,
                        const float* rows_inverse, const int32_t* slot_row, float* act) {
  extern __shared__ __align__(16) half shared[];
  grid_launch_next();
  grid_wait();
  if (static_cast<int>(blockIdx.y) >= __ldcg(n_tile)) return;
  const Tile tile = tiles[blockIdx.y];
  const int64_t base = int64_t{tile.expert} * gate.rows;
  const int o = 64 * static_cast<int>(blockIdx.x) + 16 * static_cast<int>(threadIdx.x / 32);
  const int64_t row[2] = {base + o, base + o};
  const int64_t last[2] = {base + gate.rows - 1, base + gate.rows - 1};
  float sum[2][kTiles][4] = {};
  with_frag(gate.layout, [&]<class Frag>() {
    gemm_tile<Frag, kTiles>(
        sum, gate, up, row, last, tile.n, 0, gate.cols / 256, shared, [] {},
        [&](int r) { return rows16 + int64_t{__ldcg(slot_row + tile.begin + r)} * gate.cols; });
  });
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int c = 0; c < kTiles; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = 8 * c + 2 * t + i % 2;
      const int at = o + g + 8 * (i / 2);
      if (r >= tile.n || at >= gate.rows) continue;
      const float scale = __ldcg(rows_inverse + __ldcg(slot_row + tile.begin + r));
      act[int64_t{tile.begin + r} * gate.rows + at] =
          silu_times(sum[0][c][i] * (scale / gate.scale_up), sum[1][c][i] * (scale / up.scale_up));
    }
}

template <int kTiles>
__global__ void __launch_bounds__(kGemmThread, gemm_blocks(kTiles))
    down_gemm_kernel(Tensor down, const Tile* tiles, const int32_t* n_tile, const half* rows16,
                     const float* rows_inverse, const int32_t* slot_id, float* slot_out) {
  extern __shared__ __align__(16) half shared[];
  grid_launch_next();
  grid_wait();
  if (static_cast<int>(blockIdx.y) >= __ldcg(n_tile)) return;
  const Tile tile = tiles[blockIdx.y];
  const int64_t base = int64_t{tile.expert} * down.rows;
  const int o = kGemmTileRows * static_cast<int>(blockIdx.x) + 32 * static_cast<int>(threadIdx.x / 32);
  const int64_t row[2] = {base + o, base + o + 16};
  const int64_t last[2] = {base + down.rows - 1, base + down.rows - 1};
  float sum[2][kTiles][4] = {};
  with_frag(down.layout, [&]<class Frag>() {
    gemm_tile<Frag, kTiles>(
        sum, down, down, row, last, tile.n, 0, down.cols / 256, shared, [] {},
        [&](int r) { return rows16 + int64_t{tile.begin + r} * down.cols; });
  });
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int c = 0; c < kTiles; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = 8 * c + 2 * t + i % 2;
      if (r >= tile.n) continue;
      const float scale = __ldcg(rows_inverse + tile.begin + r) / down.scale_up;
      const int64_t slot = __ldcg(slot_id + tile.begin + r);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const int at = o + 16 * m + g + 8 * (i / 2);
        if (at < down.rows) slot_out[slot * down.rows + at] = sum[m][c][i] * scale;
      }
    }
}

__global__ void silu_kernel(float* gate, const float* up, int64_t n) {
  grid_launch_next();
  grid_wait();
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) gate[i] = silu_times(__ldcg(gate + i), __ldcg(up + i));
}

// y = sum_i w_i slot_out_i in slot order; x += y. A block a row.
__global__ void sum_kernel(const float* slot_out, const float* weights, int k, int d_model, float* x, float* y) {
  grid_launch_next();
  grid_wait();
  const int64_t r = blockIdx.x;
  for (int j = threadIdx.x; j < d_model; j += blockDim.x) {
    float sum = 0;
    for (int i = 0; i < k; ++i)
      sum = fmaf(__ldcg(weights + r * k + i), __ldcg(slot_out + (r * k + i) * d_model + j), sum);
    if (y != nullptr) y[r * d_model + j] = sum;
    x[r * d_model + j] = __ldcg(x + r * d_model + j) + sum;
  }
}

int div_up(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

bool has_frags(const LayerWeights& w) {
  return w.gate_exps.layout != Layout::kFile && w.gate_exps.layout == w.up_exps.layout &&
         w.down_exps.layout != Layout::kFile;
}
}  // namespace

Stages::ExpertPath Stages::expert_path(const LayerWeights& w) const {
  if (exact() || !has_frags(w)) return ExpertPath::kGeneral;
  // While rows seldom meet at an expert, each on its own reads little more than all together, and computes less.
  const int few = std::min(kFewRows, std::max(1, config_.n_expert / config_.n_expert_used));
  return is_regular_ && plan_.n_row <= few ? ExpertPath::kFew : ExpertPath::kMany;
}

void Stages::experts_few(const LayerWeights& w, int layer) {
  const int k = config_.n_expert_used;
  const auto n_row = static_cast<unsigned>(plan_.n_row);
  const GateUpFew p = {w.gate_exps, w.up_exps, b.rows, b.router, config_.n_expert, b.gate, b.ids, b.chosen};
  const int n_block = config_.d_model / 256;
  const int units = n_block <= 8 ? 1 : n_block <= 16 ? 2 : 4;
  const bool many = config_.n_expert > 128;
  const auto gate_up = units == 1   ? (many ? gate_up_few_kernel<1, 16, 2> : gate_up_few_kernel<1, 4, 3>)
                       : units == 2 ? (many ? gate_up_few_kernel<2, 16, 1> : gate_up_few_kernel<2, 4, 1>)
                                    : (many ? gate_up_few_kernel<4, 16, 1> : gate_up_few_kernel<4, 4, 1>);
  launch("gate_up", gate_up, dim3(div_up(config_.d_ff, 16), k, n_row), 32 * div_up(n_block, units),
         one_row_bytes(config_.d_model), p);
  tap_ids(backend::Tap::kFfnMoeTopk, layer, b.ids, plan_.n_row, k);

  const int n_pair = k * (config_.d_ff / 256);
  // A row alone: a warp for each pair, as short a way as there is. Several: smaller blocks, two a multiprocessor.
  const bool one_each = plan_.n_row == 1 && n_pair <= kMaxAloneWarp;
  const int per_warp = one_each || n_pair <= kMaxDownWarp ? 1 : n_pair <= 2 * kMaxDownWarp ? 2 : kMaxDownUnits;
  const auto down = one_each        ? down_few_kernel<1, kMaxAloneWarp, 1>
                    : per_warp == 1 ? down_few_kernel<1, kMaxDownWarp, 2>
                    : per_warp == 2 ? down_few_kernel<2, kMaxDownWarp, 2>
                                    : down_few_kernel<kMaxDownUnits, kMaxDownWarp, 1>;
  launch("down", down, dim3(div_up(config_.d_model, 16), n_row), 32 * div_up(n_pair, per_warp),
         one_row_bytes(k * config_.d_ff),
         DownFew{w.down_exps, b.gate, b.ids, b.chosen, k, b.x, takes_one_row() ? b.squares : nullptr, b.weights,
                 if_wanted(backend::Tap::kFfnMoeOut, b.h)});
  tap(backend::Tap::kFfnMoeWeightsNorm, layer, b.weights, plan_.n_row, k);
}

void Stages::experts_gemm(const LayerWeights& w) {
  const int n_slot = plan_.n_row * config_.n_expert_used;
  const bool narrow = n_slot <= 8 * config_.n_expert;  // few slots an expert
  const int n_tile = narrow ? 2 : 8;
  group_slots(8 * n_tile);
  const int max_tile = std::min(n_slot, n_slot / (8 * n_tile) + config_.n_expert);
  const size_t shared = gemm_shared_bytes(n_tile);
  launch("gate_up", narrow ? gate_up_gemm_kernel<2> : gate_up_gemm_kernel<8>, dim3(div_up(config_.d_ff, 64), max_tile),
         kGemmThread, shared, w.gate_exps, w.up_exps, static_cast<const Tile*>(b.tiles),
         static_cast<const int32_t*>(b.n_tile), static_cast<const half*>(b.rows16),
         static_cast<const float*>(b.rows_inverse), static_cast<const int32_t*>(b.slot_row), b.gate);
  to_rows16(b.gate, n_slot, config_.d_ff);
  launch("down", narrow ? down_gemm_kernel<2> : down_gemm_kernel<8>,
         dim3(div_up(config_.d_model, kGemmTileRows), max_tile), kGemmThread, shared, w.down_exps,
         static_cast<const Tile*>(b.tiles), static_cast<const int32_t*>(b.n_tile), static_cast<const half*>(b.rows16),
         static_cast<const float*>(b.rows_inverse), static_cast<const int32_t*>(b.slot_id), b.slot_out);
}

void Stages::experts_general(const LayerWeights& w) {
  group_slots(kGeneralRows);
  if (!exact() && plan_.n_row <= kGemvMaxRow)
    normalise(w.ffn_norm, plan_.n_row, nullptr, false);  // route fused it away
  const int64_t n = int64_t{plan_.n_row} * config_.n_expert_used * config_.d_ff;
  grouped_general("gate", w.gate_exps, b.h, b.slot_row, b.gate, nullptr);
  grouped_general("up", w.up_exps, b.h, b.slot_row, b.up, nullptr);
  launch("silu", silu_kernel, div_up(n, 256), 256, 0, b.gate, static_cast<const float*>(b.up), n);
  grouped_general("down", w.down_exps, b.gate, nullptr, b.slot_out, b.slot_id);
}

void Stages::experts(const model::LayerSpec& layer, const model::Shape& shape) {
  using backend::Tap;
  const LayerWeights& w = weights_of(layer);
  switch (expert_path(w)) {
    case ExpertPath::kFew: experts_few(w, layer.index); break;
    case ExpertPath::kMany: experts_gemm(w); break;
    case ExpertPath::kGeneral: experts_general(w); break;
  }
  if (expert_path(w) != ExpertPath::kFew)
    launch("sum", sum_kernel, shape.n_row, 256, 0, static_cast<const float*>(b.slot_out),
           static_cast<const float*>(b.weights), config_.n_expert_used, config_.d_model, b.x,
           if_wanted(Tap::kFfnMoeOut, b.h));
  tap(Tap::kFfnMoeOut, layer.index, b.h, shape.n_row, config_.d_model);
  tap(Tap::kLOut, layer.index, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::cuda
