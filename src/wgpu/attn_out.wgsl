// attn_out   contract: docs/stages.md#attn_out   mirrors: ref/attn_out.cc, cpu/attn_out.cc, cuda/attn_out.cu
//   x = x + Wo a
//   a: [n_row, n_head * d_head] f32   Wo: [d_model, n_head * d_head] quantized   x: [n_row, d_model] f32
//   Here: what the stage is made of. kernels/product.wgsl does it, with ADDS; the sum is f32 and its order is told there,
//   the residual is added in f32.
