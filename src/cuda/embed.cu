// embed   contract: docs/stages.md#embed   mirrors: ref/embed.cc, cpu/embed.cc, wgpu/embed.wgsl
//   x = token_embd[token]
//   token: [n_row] i32   token_embd: [n_vocab, d_model] quantized   x: [n_row, d_model] f32
//   launch: a block a row; it also makes the row's angles for RoPE   shared: none
//   sum: none; a dequantized row, bit for bit
//   cost: reads n_row rows of the table
#include "cuda/context.h"
#include "cuda/kernels/general.cuh"

namespace tercet::cuda {
namespace {

__global__ void embed_kernel(Tensor table, int64_t row_bytes, StepInput in, const int32_t* last_token,
                             const double* frequency, int half_head, float* x, float* squares, float* cosine,
                             float* sine) {
  grid_launch_next();
  grid_wait();
  const int r = blockIdx.x;
  int token = in.token[r];
  if (token < 0) token = __ldcg(last_token + in.slot[r]);
  token = max(0, min(token, table.rows - 1));
  with_format(table.type, [&]<class Element>() {
    for (int k = threadIdx.x; k < table.cols; k += blockDim.x)
      x[int64_t{r} * table.cols + k] = Element::at(table.quants + token * row_bytes, k);
  });
  if (squares != nullptr) {
    __syncthreads();
    for (int i = threadIdx.x; i < table.cols / 16; i += blockDim.x) {
      float sum = 0;
      for (int k = 16 * i; k < 16 * i + 16; ++k) sum = fmaf(x[k], x[k], sum);
      squares[i] = sum;
    }
  }
  // In double, as ref does, and once a step: all layers turn a position by the same angles.
  for (int i = threadIdx.x; i < half_head; i += blockDim.x) {
    double s = 0;
    double c = 0;
    sincos(in.position[r] * frequency[i], &s, &c);
    cosine[r * half_head + i] = static_cast<float>(c);
    sine[r * half_head + i] = static_cast<float>(s);
  }
}

}  // namespace

void Stages::embed(const model::Model&, const model::Shape& shape) {
  const Tensor& table = weights_.token_embd;
  launch("embed", embed_kernel, shape.n_row, 256, 0, table, file_row_bytes(table.type, table.cols), in, b.last_token,
         b.frequency, config_.d_head / 2, b.x, takes_one_row() ? b.squares : nullptr, b.cosine, b.sine);
  tap(backend::Tap::kInpEmbd, -1, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::cuda
