// embed   contract: docs/stages.md#embed   mirrors: cpu/embed.cc, cuda/embed.cu, wgpu/embed.wgsl
//   x = token_embd[token]
//   token: [n_row] i32   token_embd: [n_vocab, d_model] quantized   x: [n_row, d_model] f32
//   sum: none; a dequantized row, bit for bit
#include "ref/context.h"

namespace tercet::ref {

void Stages::embed(const model::Model& model, const model::Shape& shape) {
  const model::QTensor& table = model.token_embd;
  x_.resize(static_cast<size_t>(shape.n_row * table.cols));
  for (int r = 0; r < shape.n_row; ++r)
    table.format->dequantize(x_.data() + r * table.cols, table.row(step_->rows()[static_cast<size_t>(r)].token),
                             table.cols / table.format->block_size);
  tap(backend::Tap::kInpEmbd, -1, x_, table.cols);
}

}  // namespace tercet::ref
