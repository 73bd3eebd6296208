// Owns what the CUDA stages hand to each other within a step: the buffers on the device, and what the host decided about
// the step before anything was launched.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "backend/backend.h"
#include "cuda/kernels/limits.h"
#include "cuda/weights.h"
#include "model/qwen3_moe.h"

namespace tercet::cuda {

// Rows of one expert, or of a chunk of a prompt: `n` of them from `begin` on in some order.
struct Tile {
  int32_t expert;
  int32_t begin;
  int32_t n;
};

// A piece of a prompt's chunk for the attention kernel: rows row .. row + n_row - 1 of one sequence.
struct ChunkPiece {
  int32_t row;
  int32_t n_row;
  int32_t sequence;
};

// What a step brings, on the device. One block of memory, written by one copy before the step.
struct StepInput {
  int32_t* token;       // [n_row], or kLast
  int32_t* position;    // [n_row]
  int32_t* slot;        // [n_row] of the row's sequence
  int32_t* page_row;    // [n_row] the row's page table: page_table + page_row * page_stride
  int32_t* output_row;  // [n_output]
  ChunkPiece* pieces;   // [n_piece]
  int32_t* page_table;  // [n_sequence][page_stride]
};

// One row as the kernels of one row read it (kernels/gemv_one.cuh): in each block of 256 columns, q = x / inverse rounded,
// as two planes of int8, 256 high + low, each in the canonical order of 16-column groups (tensor.h).
struct OneRow {
  int8_t* x;                                                  // [cols / 256][2][256]
  int32_t* sum16;                                             // [cols / 16] sums of q
  float* inverse;                                             // [cols / 256] what a block's products are multiplied by
  __host__ __device__ OneRow of(int64_t r, int cols) const {  // row r, where there are several
    return {x + r * 2 * cols, sum16 + r * (cols / 16), inverse + r * (cols / 256)};
  }
};

// Everything else that a step writes. f32 where nothing else is said.
struct Buffers {
  float* x;             // [max_row, d_model] the residual stream
  float* h;             // [max_row, d_model] normalised
  float* squares;       // [d_model / 16] of x, where a step has one row: sums of squares
  OneRow rows;          // [few] h as the experts read it, where a step has few rows
  half* rows16;         // [max_row of the widest input] an input of the products of prompts, canonical order
  float* rows_inverse;  // [as many rows] what its products are multiplied by
  float* qkv;           // [max_row, d_q + 2 d_kv]
  float* heads;         // [max_sequence, d_q + 2 d_kv] a trace's view of decoding rows' q, k, v after RoPE
  half* q16;            // [max_row, d_q] after RoPE, times log2(e) / sqrt(d_head)
  float* cosine;        // [max_row, d_head / 2]
  float* sine;          // [max_row, d_head / 2]
  float* a;             // [max_row, d_q]
  float* partial;       // [max_sequence][n_head][kMaxSplit][d_head + 2] attention: sums, largest score, sum of weights
  int32_t* ticket;      // [max_sequence][n_head_kv] zero between steps
  float* router;        // [max_row, n_expert]
  int32_t* ids;         // [max_row, k]
  float* weights;       // [max_row, k]
  float* chosen;        // [few, k] the chosen experts' logits, where a step has few rows
  int32_t* slot_row;    // [n_slot] by expert: the row
  int32_t* slot_id;     // [n_slot] by expert: row * k + choice
  Tile* tiles;          // [max_tile]
  int32_t* n_tile;      // [1]
  float* gate;          // [n_slot, d_ff] by expert; the activation when it was multiplied by silu
  float* up;            // [n_slot, d_ff]
  float* slot_out;      // [n_slot, d_model] by row and choice
  float* logits;        // [max_output, n_vocab]
  int32_t* last_token;  // [max_sequence]
  double* frequency;    // [d_head / 2] base^(-2 i / d_head)
};

// The cache, [n_layer][n_page][n_head_kv] of keys [page_size, d_head], then values [d_head, page_size]: transposed, so that
// a thread's share of a product over positions is contiguous.
struct Kv {
  uint8_t* data = nullptr;
  backend::KvType type = backend::KvType::kF16;
  int n_page = 0;
};

// What the host chose for a step: which kernels, and how many blocks. All of it is in the key of a recorded graph.
struct StepPlan {
  int n_row = 0;
  int n_decode = 0;  // leading rows, each the only one of its sequence
  int n_piece = 0;   // of chunks
  int n_output = 0;
  int n_split = 1;  // of a decoding sequence's keys
  int n_sequence = 0;
  int page_stride = 1;  // pages a sequence's table has room for
  auto operator<=>(const StepPlan&) const = default;
};

// The sizes of a head that kernels are built for, as values a lane.
inline constexpr bool is_head_size(int d_head) { return d_head == 64 || d_head == 128 || d_head == 256; }
template <class F>
void with_head_size(int d_head, F&& f) {
  if (d_head == 64) f.template operator()<2>();
  if (d_head == 128) f.template operator()<4>();
  if (d_head == 256) f.template operator()<8>();
}

class Stages {
 public:
  Stages(const model::Config& config, const Weights& weights, backend::Precision precision, int n_multiprocessor)
      : config_(config),
        weights_(weights),
        precision_(precision),
        n_multiprocessor_(n_multiprocessor),
        is_regular_(is_regular(config, weights, precision)) {}

  void begin(const StepPlan& plan, cudaStream_t stream, backend::TraceSink* trace);

  void embed(const model::Model& model, const model::Shape& shape);
  void attn_in(const model::LayerSpec& layer, const model::Shape& shape);
  void attn(const model::LayerSpec& layer, const model::Shape& shape);
  void attn_out(const model::LayerSpec& layer, const model::Shape& shape);
  void route(const model::LayerSpec& layer, const model::Shape& shape);
  void experts(const model::LayerSpec& layer, const model::Shape& shape);
  void head(const model::Model& model, const model::Shape& shape);

  Buffers b = {};  // set by the backend, which owns the memory
  StepInput in = {};
  Kv kv;

  // The first error of a launch since begin(), with the kernel's name.
  cudaError_t status() const { return status_; }
  const char* failed_kernel() const { return failed_; }
  // The next kernel starts when all in front of it is over.
  void break_chain() { chained_ = false; }

 private:
  static bool is_regular(const model::Config& config, const Weights& weights, backend::Precision precision);
  const LayerWeights& weights_of(const model::LayerSpec& layer) const;
  // One row alone in its step, and a model that the kernels for that take.
  bool takes_one_row() const { return is_regular_ && plan_.n_row == 1; }
  // Tensor cores, or the kernel for any head and any cache.
  bool attends_in_f16() const;
  // What q is multiplied by before scores are powers of two: log2(e) / sqrt(d_head).
  float q_scale() const { return static_cast<float>(1.4426950408889634 / std::sqrt(double(config_.d_head))); }
  bool exact() const { return precision_ == backend::Precision::kExact; }
  bool wants(backend::Tap tap) const { return trace_ != nullptr && trace_->wants(tap); }
  // `buffer` where a tap is wanted, else null: what kernels take.
  float* if_wanted(backend::Tap tap, float* buffer) const { return wants(tap) ? buffer : nullptr; }
  void tap(backend::Tap tap, int layer, const float* values, int64_t n_row, int64_t width, int64_t stride = 0);
  void tap_ids(backend::Tap tap, int layer, const int32_t* ids, int64_t n_row, int64_t width);

  // Launches so that the kernel may start before the one in front of it ends (kernels/device.cuh).
  template <typename... Params, typename... Args>
  void launch(const char* name, void (*kernel)(Params...), dim3 grid, int n_thread, size_t shared, Args&&... args) {
    if (status_ != cudaSuccess || grid.x == 0 || grid.y == 0 || grid.z == 0) return;
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t launch = {};
    launch.gridDim = grid;
    launch.blockDim = dim3(static_cast<unsigned>(n_thread));
    launch.dynamicSmemBytes = shared;
    launch.stream = stream_;
    launch.attrs = &attribute;
    launch.numAttrs = chained_ ? 1 : 0;
    if (shared > 48 * 1024)
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    status_ = cudaLaunchKernelEx(&launch, kernel, Params(std::forward<Args>(args))...);
    if (status_ != cudaSuccess) failed_ = name;
    chained_ = true;
  }

  struct Product;
  struct Rows;
  struct Launch;
  void one_row(const char* name, const Launch& p);
  void gemm(const char* name, const Launch& p, int width);
  // Products of one input with one to three matrices, by the kernel that suits their number and layout (products.cu).
  void normalise(const float* norm, int n_row, const int32_t* gather, bool f16);
  void to_rows16(const float* x, int n_row, int width);
  void products(const char* name, const Rows& rows, const Product* list, int n_product);
  void grouped_general(const char* name, const Tensor& w, const float* x, const int32_t* gather, float* y,
                       const int32_t* scatter);
  void attn_general(int layer, int n_row);
  void attn_decode(int layer, const LayerWeights& w, bool heads_wanted);
  void attn_chunks(int layer);
  // How a step goes through the experts of a layer.
  enum class ExpertPath { kFew, kMany, kGeneral };
  ExpertPath expert_path(const LayerWeights& w) const;
  void group_slots(int tile_rows);  // slot_row, slot_id, tiles
  void experts_few(const LayerWeights& w, int layer);
  void experts_gemm(const LayerWeights& w);
  void experts_general(const LayerWeights& w);

  const model::Config& config_;
  const Weights& weights_;
  const backend::Precision precision_;
  const int n_multiprocessor_;
  const bool is_regular_;
  StepPlan plan_;
  cudaStream_t stream_ = nullptr;
  backend::TraceSink* trace_ = nullptr;
  cudaError_t status_ = cudaSuccess;
  const char* failed_ = "";
  bool chained_ = false;  // the last thing in the stream is a kernel of ours
};

}  // namespace tercet::cuda
