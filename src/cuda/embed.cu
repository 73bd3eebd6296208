// embed   contract: docs/stages.md#embed   mirrors: ref/embed.cc, cpu/embed.cc, wgpu/embed.wgsl
//   x = token_embd[token]
//   token: [n_row] i32   token_embd: [n_vocab, d_model] quantized   x: [n_row, d_model] f32
//   launch: a block a row, and another for the row's angles for RoPE   shared: none
//   sum: none; a dequantized row, bit for bit
//   cost: reads n_row rows of the table
#include "cuda/context.h"
#include "cuda/kernels/general.cuh"

namespace tercet::cuda {
namespace {

// blockIdx.y 0: the row; 1: its angles.
__global__ void embed_kernel(Tensor table, int64_t row_bytes, StepInput in, const int32_t* last_token,
                             const double* frequency, int half_head, float* x, float* squares, float* cosine,
                             float* sine) {
  grid_launch_next();
  grid_wait();
  const int r = blockIdx.x;
  if (blockIdx.y == 1) {
    // In double, as ref does, and once a step: all layers turn a position by the same angles.
    for (int i = threadIdx.x; i < half_head; i += blockDim.x) {
      double s = 0;
      double c = 0;
      sincos(in.position[r] * frequency[i], &s, &c);
      cosine[r * half_head + i] = static_cast<float>(c);
      sine[r * half_head + i] = static_cast<float>(s);
    }
    return;
  }
  int token = in.token[r];
  if (token < 0) token = __ldcg(last_token + in.slot[r]);
  token = max(0, min(token, table.rows - 1));
  with_format(table.type, [&]<class Element>() {
    // 8 columns a thread, so that two neighbours have the sum of squares of 16. Where those are wanted, rows are whole warps' work.
    for (int first = 8 * static_cast<int>(threadIdx.x); first < table.cols; first += 8 * static_cast<int>(blockDim.x)) {
      float sum = 0;
#pragma unroll
      for (int k = first; k < first + 8; ++k) {
        if (k >= table.cols) break;
        const float value = Element::at(table.quants + token * row_bytes, k);
        x[int64_t{r} * table.cols + k] = value;
        sum = fmaf(value, value, sum);
      }
      if (squares == nullptr) continue;
      sum += __shfl_xor_sync(kFullWarp, sum, 1);
      if (threadIdx.x % 2 == 0) squares[first / 16] = sum;
    }
  });
}

}  // namespace

void Stages::embed(const model::Model&, const model::Shape& shape) {
  const Tensor& table = weights_.token_embd;
  launch("embed", embed_kernel, dim3(shape.n_row, 2), 256, 0, table, file_row_bytes(table.type, table.cols), in,
         b.last_token, b.frequency, config_.d_head / 2, b.x, takes_one_row() ? b.squares : nullptr, b.cosine, b.sine);
  tap(backend::Tap::kInpEmbd, -1, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::cuda
