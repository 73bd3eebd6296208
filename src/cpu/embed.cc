// embed   contract: docs/stages.md#embed   mirrors: ref/embed.cc, cuda/embed.cu, wgpu/embed.wgsl
//   x = token_embd[token]
//   token: [n_row] i32   token_embd: [n_vocab, d_model] quantized   x: [n_row, d_model] f32
//   launch: a row a piece     sum: none; a dequantized row, bit for bit
//   cost: reads one row of the table a token; nothing beside the rest
#include "cpu/context.h"

namespace tercet::cpu {

void Stages::embed(const model::Model& model, const model::Shape& shape) {
  const model::QTensor& table = model.token_embd;
  x_.resize(static_cast<size_t>(shape.n_row * table.cols));
  pool_.parallel_for(shape.n_row, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      table.format->dequantize(x_.data() + r * table.cols, table.row(step_->rows()[static_cast<size_t>(r)].token),
                               table.cols / table.format->block_size);
  });
  tap(backend::Tap::kInpEmbd, -1, x_, table.cols);
}

}  // namespace tercet::cpu
