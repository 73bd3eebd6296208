// Products of one input with one to three matrices: the kernel for few rows, the one for prompts, and the general one.
#include "cuda/kernels/gemm.cuh"
#include "cuda/kernels/gemv.cuh"
#include "cuda/kernels/gemv_one.cuh"
#include "cuda/kernels/general.cuh"
#include "cuda/products.h"

namespace tercet::cuda {
namespace {

struct Part {
  Tensor w;
  float* y;
  int64_t stride;
  int first_tile;
  int first_row;  // of all parts' rows together
  bool residual;
};

struct Parts {
  Part part[3];
  int n;
  __device__ const Part& of_tile(int tile) const {
    int i = 0;
    while (i + 1 < n && tile >= part[i + 1].first_tile) ++i;
    return part[i];
  }
};

struct Source {
  const float* x;
  int64_t stride;
  const float* norm;
  float eps;
  int n;
  const int32_t* gather;
  float* tap;
  __device__ const float* row(int r) const { return x + (gather == nullptr ? r : __ldcg(gather + r)) * stride; }
};

// Where the sums of squares of the row lie that comes in, and of the one that goes out; null: nobody left or wants them.
struct OneSquares {
  const float* in;
  float* out;
};

__device__ __forceinline__ void put(const Part& part, int row, int64_t o, float value) {
  float* y = part.y + row * part.stride + o;
  *y = part.residual ? __ldcg(y) + value : value;
}

// Few rows: kernels/gemv.cuh. A block for each 16 weight rows of each part.
template <class Frag, int kUnits>
__device__ __forceinline__ void gemv_block(const Part& part, const Source& source, unsigned char* memory) {
  const int n_block = part.w.cols / 256;
  const int first = static_cast<int>(threadIdx.x / 32) * kUnits;
  const int64_t row = int64_t{16} * (blockIdx.x - part.first_tile);
  WarpTile<Frag, kUnits> tile;
  tile.load(part.w, row, part.w.rows - 1, first, n_block - first);
  NormWeights<kUnits> norm;
  norm.load(source.norm, n_block);
  grid_wait();

  const int n_warp = blockDim.x / 32;
  const GemvShared s = carve(memory, source.n, part.w.cols, n_warp);
  prepare_rows<kUnits>(
      s, source.n, part.w.cols, source.norm != nullptr, source.eps, norm, [&](int r) { return source.row(r); },
      blockIdx.x == 0 ? source.tap : nullptr);
  float sum[4] = {};
  multiply_tile<Frag, kUnits>(sum, tile, part.w, s, source.n);
  store_partial(s.reduce, sum);
  __syncthreads();
  const float down = 1.0F / part.w.scale_up;
  for (int i = threadIdx.x; i < 16 * source.n; i += blockDim.x) {
    const int64_t o = row + i % 16;
    if (o < part.w.rows) put(part, i / 16, o, sum_partials(s.reduce, i % 16, i / 16, n_warp) * down);
  }
}

template <int kUnits, int kMaxWarp, int kBlocks>
__global__ void __launch_bounds__(32 * kMaxWarp, kBlocks) gemv_kernel(Parts parts, Source source) {
  extern __shared__ __align__(16) unsigned char memory[];
  grid_launch_next();
  const Part& part = parts.of_tile(blockIdx.x);
  with_frag(part.w.layout, [&]<class Frag>() { gemv_block<Frag, kUnits>(part, source, memory); });
}

// One row: kernels/gemv_one.cuh. A block for each 16 weight rows of each part, its warps share the columns.
template <class One, int kUnits, int kMaxWarp>
__device__ __forceinline__ void one_block(const Part& part, const Source& source, const OneSquares& squares,
                                          unsigned char* memory) {
  __shared__ float reduce[kMaxWarp][16];
  const int warp = threadIdx.x / 32;
  const int first = warp * kUnits;
  const int cols = part.w.cols;
  const int tile_index = static_cast<int>(blockIdx.x) - part.first_tile;
  const int64_t row = int64_t{16} * tile_index;
  OneTile<One, kUnits> tile;
  tile.load(part.w, row, part.w.rows - 1, first);
  OneInput<kUnits> input;
  input.load_norm(source.norm, cols, first);
  grid_wait();
  input.load(source.x, cols, first);
  const int o = threadIdx.x;
  float total = 0;
  if (part.residual && o < 16 && row + o < part.w.rows) total = __ldcg(part.y + row + o);
  const bool is_normed = source.norm != nullptr;
  const bool is_tapped = is_normed && source.tap != nullptr && blockIdx.x == 0;
  float scale = 1;
  if (is_normed && (warp == 0 || is_tapped)) scale = rms_scale(sum_squares(squares.in, cols), cols, source.eps);
  if (is_tapped) input.write_normalised(source.tap, cols, first, scale);
  const OneRow x = carve_one(memory, cols);
  input.put(x, cols, first, is_normed);
  float sum[2] = {};
  tile.multiply(sum, x, cols / 256, first);
  put_sums(reduce[warp], sum);
  __syncthreads();
  if (o >= 32) return;
  const float product = sum_warps(reduce, static_cast<int>(blockDim.x / 32)) * scale;
  if (o >= 16) return;
  total = row + o < part.w.rows ? total + product : 0;
  if (row + o < part.w.rows) part.y[row + o] = total;
  if (squares.out != nullptr) put_squares(squares.out, tile_index, total);
}

template <int kUnits, int kMaxWarp, int kMinBlocks>
__global__ void __launch_bounds__(32 * kMaxWarp, kMinBlocks)
    one_kernel(Parts parts, Source source, OneSquares squares) {
  extern __shared__ __align__(16) unsigned char memory[];
  grid_launch_next();
  const Part& part = parts.of_tile(blockIdx.x);
  with_one(part.w.layout, [&]<class One>() { one_block<One, kUnits, kMaxWarp>(part, source, squares, memory); });
}

// One row against a matrix with many rows: the tiles are shared out evenly among the blocks, and a block's tiles, column
// block by column block, among its warps, so that all end together. A warp always has the next weights under way and waits
// for no other, but that a tile's parts are added up at the end where two or more warps have it.
template <class One>
__device__ __forceinline__ void one_many_block(const Part& part, const Source& source, const OneSquares& squares,
                                               int n_tile, unsigned char* memory) {
  __shared__ float scratch[kMaxOneWarp];
  __shared__ float edges[kMaxOneWarp][2][16];  // of a warp: the tile that it ends, the tile that it begins
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int cols = part.w.cols;
  const int n_block = cols / 256;
  const int n_warp = blockDim.x / 32;
  const auto share = [](int64_t n, int i, int of) { return static_cast<int>(n * i / of); };
  const int first_tile = share(n_tile, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x));
  const int n_step =
      (share(n_tile, static_cast<int>(blockIdx.x) + 1, static_cast<int>(gridDim.x)) - first_tile) * n_block;
  const int begin = share(n_step, warp, n_warp);
  const int end = share(n_step, warp + 1, n_warp);
  const auto row_of = [&](int tile) { return int64_t{16} * (first_tile + tile); };
  int tile = begin / n_block;
  int block = begin % n_block;
  OneTile<One, 1> now;
  if (begin < end) now.load_one(0, part.w, row_of(tile), part.w.rows - 1, block);
  OneInput<kMaxOneUnits> input;
  const int first = warp * kMaxOneUnits;
  input.load_norm(source.norm, cols, first);
  grid_wait();
  const float* from = source.row(0);
  input.load(from, cols, first);
  const bool is_normed = source.norm != nullptr;
  float scale = 1;
  if (is_normed) {
    const float sum =
        squares.in != nullptr ? sum_squares(squares.in, cols) : block_sum(input.squares(cols, first), scratch, n_warp);
    scale = rms_scale(sum, cols, source.eps);
  }
  if (is_normed && source.tap != nullptr && blockIdx.x == 0) input.write_normalised(source.tap, cols, first, scale);
  const OneRow x = carve_one(memory, cols);
  input.put(x, cols, first, is_normed);
  __syncthreads();
  float sum[2] = {};
  for (int at = begin; at < end; ++at) {
    const bool ends_tile = block + 1 == n_block;
    const int next_tile = ends_tile ? tile + 1 : tile;
    const int next_block = ends_tile ? 0 : block + 1;
    OneTile<One, 1> next;
    if (at + 1 < end) next.load_one(0, part.w, row_of(next_tile), part.w.rows - 1, next_block);
    One::multiply(sum, now.raw[0], x, block);
    if (ends_tile || at + 1 == end) {
      const bool begins_tile = at - block >= begin;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        sum[r] += __shfl_xor_sync(kFullWarp, sum[r], 1);
        sum[r] += __shfl_xor_sync(kFullWarp, sum[r], 2);
        const int o = lane / 4 + 8 * r;
        if (lane % 4 == 0) {
          if (!ends_tile || !begins_tile)
            edges[warp][begins_tile ? 1 : 0][o] = sum[r];
          else if (row_of(tile) + o < part.w.rows)
            put(part, 0, row_of(tile) + o, sum[r] * scale);
        }
        sum[r] = 0;
      }
    }
    tile = next_tile;
    block = next_block;
    now = next;
  }
  __syncthreads();
  // Who began a tile without ending it adds up the parts of those behind, in order.
  const int last = end > begin ? (end - 1) / n_block : 0;
  if (end <= begin || last * n_block < begin || end % n_block == 0 || lane >= 16) return;
  float total = edges[warp][1][lane];
  for (int w = warp + 1; w < n_warp && share(n_step, w, n_warp) < (last + 1) * n_block; ++w)
    if (share(n_step, w, n_warp) < share(n_step, w + 1, n_warp)) total += edges[w][0][lane];
  if (row_of(last) + lane < part.w.rows) put(part, 0, row_of(last) + lane, total * scale);
}

__global__ void __launch_bounds__(256, 2) one_many_kernel(Part part, Source source, OneSquares squares, int n_tile) {
  extern __shared__ __align__(16) unsigned char memory[];
  grid_launch_next();
  with_one(part.w.layout, [&]<class One>() { one_many_block<One>(part, source, squares, n_tile, memory); });
}

// Many rows: kernels/gemm.cuh. Blocks of 128 weight rows, by tiles of rows of activations, by parts of the columns. With
// parts, each leaves its sums in `partial`, [part][n_row][all weight rows], and parts_kernel adds them up.
template <int kTiles>
__global__ void __launch_bounds__(kGemmThread, gemm_blocks(kTiles))
    gemm_kernel(Parts parts, const half* rows16, const float* rows_inverse, int n_row, float* partial, int width) {
  extern __shared__ __align__(16) half shared[];
  grid_launch_next();
  const Part& part = parts.of_tile(blockIdx.x);
  const int begin = static_cast<int>(blockIdx.y) * 8 * kTiles;
  const int n = min(8 * kTiles, n_row - begin);
  const int64_t cols = part.w.cols;
  const int n_block = part.w.cols / 256;
  const int per_part = (n_block + static_cast<int>(gridDim.z) - 1) / static_cast<int>(gridDim.z);
  const int first = min(n_block - 1, per_part * static_cast<int>(blockIdx.z));
  const int end = min(n_block, per_part * static_cast<int>(blockIdx.z + 1));
  const int64_t base = int64_t{kGemmTileRows} * (blockIdx.x - part.first_tile) + 32 * (threadIdx.x / 32);
  const int64_t row[2] = {base, base + 16};
  const int64_t last[2] = {part.w.rows - 1, part.w.rows - 1};
  float sum[2][kTiles][4] = {};
  with_frag(part.w.layout, [&]<class Frag>() {
    gemm_tile<Frag, kTiles>(
        sum, part.w, part.w, row, last, n, first, end, shared, [] { grid_wait(); },
        [&](int r) { return rows16 + (begin + r) * cols; });
  });
  const float down = 1.0F / part.w.scale_up;
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int c = 0; c < kTiles; ++c) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = 8 * c + 2 * t + i % 2;
      if (r >= n) continue;
      const float scale = __ldcg(rows_inverse + begin + r) * down;
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const int64_t o = row[m] + g + 8 * (i / 2);
        if (o > last[m]) continue;
        if (partial == nullptr)
          put(part, begin + r, o, sum[m][c][i] * scale);
        else
          partial[(int64_t{blockIdx.z} * n_row + begin + r) * width + part.first_row + o] = sum[m][c][i] * scale;
      }
    }
  }
}

// y = the parts' sum, in order. A block a row.
__global__ void parts_kernel(Parts parts, const float* partial, int n_part, int n_row, int width) {
  grid_launch_next();
  grid_wait();
  const int r = blockIdx.x;
  for (int p = 0; p < parts.n; ++p) {
    const Part& part = parts.part[p];
    for (int o = threadIdx.x; o < part.w.rows; o += blockDim.x) {
      float sum = 0;
      for (int i = 0; i < n_part; ++i) sum += __ldcg(partial + (int64_t{i} * n_row + r) * width + part.first_row + o);
      put(part, r, o, sum);
    }
  }
}

// Any format: kernels/general.cuh. 8 warps a block, a weight row each, by tiles of 8 rows.
__global__ void general_kernel(Part part, Source source, int64_t row_bytes) {
  grid_launch_next();
  grid_wait();
  const int64_t o = int64_t{blockIdx.x} * (blockDim.x / 32) + threadIdx.x / 32;
  const int begin = static_cast<int>(blockIdx.y) * kGeneralRows;
  const int n = min(kGeneralRows, source.n - begin);
  if (o >= part.w.rows) return;
  float sum[8];
  with_format(part.w.type, [&]<class Element>() {
    general_dot<Element>(sum, part.w.quants + o * row_bytes, part.w.cols, n,
                         [&](int r) { return source.row(begin + r); });
  });
  if (threadIdx.x % 32 == 0)
    for (int r = 0; r < n; ++r) put(part, begin + r, o, sum[r]);
}

// Any format, the rows of each expert: a tile of at most 8 rows. y rows go where `scatter` says, or stay in the order of experts.
__global__ void grouped_general_kernel(Tensor w, int64_t row_bytes, const Tile* tiles, const int32_t* n_tile,
                                       const float* x, const int32_t* gather, float* y, const int32_t* scatter) {
  grid_launch_next();
  grid_wait();
  if (static_cast<int>(blockIdx.y) >= __ldcg(n_tile)) return;
  const Tile tile = tiles[blockIdx.y];
  const int64_t o = int64_t{blockIdx.x} * (blockDim.x / 32) + threadIdx.x / 32;
  if (o >= w.rows) return;
  const auto index = [&](const int32_t* map, int r) {
    return map == nullptr ? tile.begin + r : __ldcg(map + tile.begin + r);
  };
  float sum[8];
  with_format(w.type, [&]<class Element>() {
    general_dot<Element>(sum, w.quants + (int64_t{tile.expert} * w.rows + o) * row_bytes, w.cols, tile.n,
                         [&](int r) { return x + int64_t{index(gather, r)} * w.cols; });
  });
  if (threadIdx.x % 32 == 0)
    for (int r = 0; r < tile.n; ++r) y[int64_t{index(scatter, r)} * w.rows + o] = sum[r];
}

// h = rms_norm(x), and what the products of prompts read of it or of x: f16 in the canonical order, a power of two a row.
//   launch: a block a row   sum: f32, a fixed tree
__global__ void rows_kernel(Source source, int cols, float* h, half* rows16, float* rows_inverse) {
  __shared__ float scratch[2][32];
  grid_launch_next();
  grid_wait();
  const int n_warp = blockDim.x / 32;
  const float* x = source.row(blockIdx.x);
  const auto value = [&](int k, float scale) {
    const float v = __ldcg(x + k);
    return source.norm == nullptr ? v : v * scale * __ldg(source.norm + k);
  };
  float scale = 1;
  if (source.norm != nullptr) {
    float sum = 0;
    for (int k = threadIdx.x; k < cols; k += blockDim.x) sum = fmaf(__ldcg(x + k), __ldcg(x + k), sum);
    scale = rms_scale(block_sum(sum, scratch[0], n_warp), cols, source.eps);
  }
  float largest = 0;
  for (int k = threadIdx.x; k < cols; k += blockDim.x) {
    const float v = value(k, scale);
    largest = fmaxf(largest, fabsf(v));
    if (h != nullptr) h[int64_t{blockIdx.x} * cols + k] = v;
  }
  if (rows16 == nullptr) return;
  largest = warp_max(largest);
  if (threadIdx.x % 32 == 0) scratch[1][threadIdx.x / 32] = largest;
  __syncthreads();
  for (int w = 0; w < n_warp; ++w) largest = fmaxf(largest, scratch[1][w]);
  const PowerOfTwo power = to_f16_range(largest);
  if (threadIdx.x == 0) rows_inverse[blockIdx.x] = power.inverse;
  for (int i = threadIdx.x; i < cols / 8; i += blockDim.x) {
    const int k = i / 32 * 256 + first_column(i % 32);
    Eight v = load_eight(x + k);
    if (source.norm != nullptr) {
      const auto* w = reinterpret_cast<const float4*>(source.norm + k);
      v = normalised(v, scale, {__ldg(w), __ldg(w + 1)});
    }
    *reinterpret_cast<uint4*>(rows16 + int64_t{blockIdx.x} * cols + 8 * i) = to_f16(v, power.scale);
  }
}

int div_up(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

constexpr int kManyTiles = 1024;  // from here on warps go from tile to tile

}  // namespace

struct Stages::Launch {
  Parts parts;
  Source source;
  int n_tile;
};

// One row alone in its step has its squares left behind by the stage in front; a prompt's last row does not.
void Stages::one_row(const char* name, const Launch& p) {
  const int cols = p.parts.part[0].w.cols;
  const int n_block = cols / 256;
  const size_t shared = one_row_bytes(cols);
  const OneSquares squares = {takes_one_row() ? b.squares : nullptr, p.parts.part[0].residual ? b.squares : nullptr};
  if (p.n_tile >= kManyTiles)
    launch(name, one_many_kernel, 2 * n_multiprocessor_, 32 * kMaxOneWarp, shared, p.parts.part[0], p.source, squares,
           p.n_tile);
  else if (n_block <= 8)
    launch(name, one_kernel<1, 8, 3>, p.n_tile, 32 * n_block, shared, p.parts, p.source, squares);
  else if (n_block <= 16)
    launch(name, one_kernel<1, 16, 1>, p.n_tile, 32 * n_block, shared, p.parts, p.source, squares);
  else
    launch(name, one_kernel<kMaxOneUnits, 8, 1>, p.n_tile, 32 * div_up(n_block, kMaxOneUnits), shared, p.parts,
           p.source, squares);
}

// What keeps the kernel for few rows from taking a product: more columns than its warps can hold.
static bool takes_many(const Tensor& w) { return w.rows >= 16 * kManyTiles && w.cols / 256 <= kMaxOneBlock; }
static bool fits_gemv(const Tensor& w) { return w.cols / 256 <= kMaxUnits * kMaxGemvWarp; }

void Stages::products(const char* name, const Rows& rows, const Product* list, int n_product) {
  const int cols = list[0].w->cols;
  bool all_frag = true;
  bool any_frag = false;
  for (int i = 0; i < n_product; ++i) {
    all_frag = all_frag && list[i].w->layout != Layout::kFile;
    any_frag = any_frag || list[i].w->layout != Layout::kFile;
  }
  Source source = {rows.x, rows.stride, rows.norm, config_.rms_eps, rows.n, rows.gather, rows.normalised};
  // A matrix with many rows is read once by the kernel for many rows, and again and again by the other.
  const bool few =
      rows.n <= kGemvMaxRow && all_frag && fits_gemv(*list[0].w) && (rows.n == 1 || !takes_many(*list[0].w));

  // One launch for all matrices that have fragments.
  Parts parts = {};
  int n_tile = 0;
  int width = 0;
  const int tile_rows = few ? 16 : kGemmTileRows;
  for (int i = 0; i < n_product; ++i) {
    if (list[i].w->layout == Layout::kFile) continue;
    parts.part[parts.n++] = {*list[i].w, list[i].y, list[i].stride, n_tile, width, list[i].residual};
    n_tile += div_up(list[i].w->rows, tile_rows);
    width += list[i].w->rows;
  }
  if (few && (takes_one_row() || (rows.n == 1 && n_product == 1 && takes_many(*list[0].w)))) {
    one_row(name, {parts, source, n_tile});
    return;
  }
  if (few) {
    const int n_block = cols / 256;
    const int n_unit = div_up(n_block, kMaxGemvWarp);
    const int units = n_unit <= 1 ? 1 : n_unit <= 2 ? 2 : 4;
    const int n_warp = div_up(n_block, units);
    const size_t shared = gemv_shared_bytes(rows.n, cols, n_warp, 1);
    const auto kernel = units == 1   ? (n_warp <= 8 ? gemv_kernel<1, 8, 3> : gemv_kernel<1, 16, 1>)
                        : units == 2 ? gemv_kernel<2, 16, 1>
                                     : gemv_kernel<4, 16, 1>;
    launch(name, kernel, n_tile, 32 * n_warp, shared, parts, source);
    return;
  }

  // The others read the normalised rows.
  const bool general = !all_frag;
  if (rows.norm != nullptr || any_frag)
    launch("rows", rows_kernel, rows.n, 256, 0, source, cols,
           rows.norm != nullptr && (general || rows.normalised != nullptr) ? b.h : nullptr,
           any_frag ? b.rows16 : nullptr, b.rows_inverse);
  if (any_frag) gemm(name, {parts, source, n_tile}, width);
  if (rows.norm != nullptr) source = {b.h, cols, nullptr, 0, rows.n, nullptr, nullptr};
  for (int i = 0; i < n_product; ++i) {
    const Product& p = list[i];
    if (p.w->layout != Layout::kFile) continue;
    launch(name, general_kernel, dim3(div_up(p.w->rows, 8), div_up(rows.n, kGeneralRows)), 256, 0,
           Part{*p.w, p.y, p.stride, 0, 0, p.residual}, source, file_row_bytes(p.w->type, cols));
  }
}

// A tile of weight rows goes through the columns one block after the other; where that gives fewer blocks than the device
// has room for, the columns are cut into parts.
void Stages::gemm(const char* name, const Launch& p, int width) {
  const int n_row = p.source.n;
  const int n_tile = n_row <= 16 ? 2 : n_row <= 32 ? 4 : 8;
  const auto kernel = n_tile == 2 ? gemm_kernel<2> : n_tile == 4 ? gemm_kernel<4> : gemm_kernel<8>;
  const dim3 grid(p.n_tile, div_up(n_row, 8 * n_tile));
  const int n_block = p.parts.part[0].w.cols / 256;
  const int room = gemm_blocks(n_tile) * n_multiprocessor_;
  int n_part = std::max(1, std::min(n_block, room / static_cast<int>(grid.x * grid.y)));
  const int64_t kept =
      int64_t{plan_.n_row} * config_.n_expert_used * config_.d_model;  // sums that `partial` has room for
  n_part = std::max(1, static_cast<int>(std::min<int64_t>(n_part, kept / (int64_t{n_row} * width))));
  n_part = div_up(n_block, div_up(n_block, n_part));   // none without a block
  float* partial = n_part > 1 ? b.slot_out : nullptr;  // free until the experts
  launch(name, kernel, dim3(grid.x, grid.y, n_part), kGemmThread, gemm_shared_bytes(n_tile), p.parts,
         static_cast<const half*>(b.rows16), static_cast<const float*>(b.rows_inverse), n_row, partial, width);
  if (n_part > 1)
    launch("parts", parts_kernel, n_row, 256, 0, p.parts, static_cast<const float*>(partial), n_part, n_row, width);
}

void Stages::grouped_general(const char* name, const Tensor& w, const float* x, const int32_t* gather, float* y,
                             const int32_t* scatter) {
  const int n_slot = plan_.n_row * config_.n_expert_used;
  const int max_tile = std::min(n_slot, n_slot / kGeneralRows + config_.n_expert);
  launch(name, grouped_general_kernel, dim3(div_up(w.rows, 8), max_tile), 256, 0, w, file_row_bytes(w.type, w.cols),
         static_cast<const Tile*>(b.tiles), static_cast<const int32_t*>(b.n_tile), x, gather, y, scatter);
}

void Stages::normalise(const float* norm, int n_row, const int32_t* gather, bool f16) {
  const Source source = {b.x, config_.d_model, norm, config_.rms_eps, n_row, gather, nullptr};
  launch("rows", rows_kernel, n_row, 256, 0, source, config_.d_model, b.h, f16 ? b.rows16 : nullptr, b.rows_inverse);
}

void Stages::to_rows16(const float* x, int n_row, int width) {
  const Source source = {x, width, nullptr, 0, n_row, nullptr, nullptr};
  launch("rows", rows_kernel, n_row, 256, 0, source, width, static_cast<float*>(nullptr), b.rows16, b.rows_inverse);
}

}  // namespace tercet::cuda
