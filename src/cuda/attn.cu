// attn   contract: docs/stages.md#attn   mirrors: ref/attn.cc, cpu/attn.cc, wgpu/attn.wgsl
//   s_p = q.k_p / sqrt(d_head), p <= position; a = sum_p softmax(s)_p v_p; head i reads KV head i n_head_kv / n_head
//   q, a: [n_row, n_head, d_head] f32   k, v: the page table's pages of [n_head_kv, page_size, d_head] f32 or f16
//   layout: a page's values are transposed, [n_head_kv, d_head, page_size] (context.h)
//   launch: attend_decode.cuh, attend_chunk.cuh (f16, tensor cores) or attend_general.cuh
//   sum: f32, a fixed order for a given length and number of splits; general: for a given length
//   cost: reads the keys and values of every sequence once a KV head and 128 rows; bandwidth-bound while decoding
#include "cuda/kernels/attend_chunk.cuh"
#include "cuda/kernels/attend_decode.cuh"
#include "cuda/kernels/attend_general.cuh"

namespace tercet::cuda {

bool Stages::attends_in_f16() const {
  return kv.type == backend::KvType::kF16 && (config_.d_head == 64 || config_.d_head == 128) &&
         config_.n_head / config_.n_head_kv <= kDecodeGroup;
}

void Stages::attn_general(int layer, int n_row) {
  const GeneralAttention p = {in,
                              kv,
                              plan_.page_stride,
                              layer,
                              config_.n_head,
                              config_.n_head_kv,
                              b.qkv,
                              b.a,
                              1.0F / std::sqrt(static_cast<float>(config_.d_head))};
  with_head_size(config_.d_head, [&]<int kPer>() {
    const bool f16 = kv.type == backend::KvType::kF16;
    launch("attn", f16 ? attend_general_kernel<half, 32 * kPer> : attend_general_kernel<float, 32 * kPer>,
           dim3(config_.n_head, n_row), kGeneralThread, 0, p);
  });
}

void Stages::attn_decode(int layer, const LayerWeights& w, bool heads_wanted) {
  const DecodeAttention p = {in,
                             kv,
                             plan_.page_stride,
                             layer,
                             config_.n_head,
                             config_.n_head_kv,
                             config_.rms_eps,
                             w.attn_q_norm,
                             w.attn_k_norm,
                             b.cosine,
                             b.sine,
                             b.qkv,
                             heads_wanted ? b.heads : nullptr,
                             b.a,
                             b.partial,
                             b.ticket,
                             q_scale()};
  const auto kernel = config_.d_head == 64 ? attend_decode_kernel<64> : attend_decode_kernel<128>;
  launch("attn", kernel, dim3(plan_.n_split, config_.n_head_kv, plan_.n_decode), kDecodeThread,
         decode_shared_bytes(config_.d_head), p);
}

void Stages::attn_chunks(int layer) {
  const ChunkAttention p = {in, kv, plan_.page_stride, layer, config_.n_head, config_.n_head_kv, b.q16, b.a};
  const auto kernel = config_.d_head == 64 ? attend_chunk_kernel<64> : attend_chunk_kernel<128>;
  launch("attn", kernel, dim3(plan_.n_piece, config_.n_head_kv), kChunkThread, chunk_shared_bytes(config_.d_head), p);
}

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  using backend::Tap;
  const bool heads_wanted = wants(Tap::kQcur) || wants(Tap::kKcur) || wants(Tap::kVcur);
  const int64_t width = config_.d_q() + 2 * config_.d_kv();
  if (attends_in_f16()) {
    if (plan_.n_decode > 0) attn_decode(layer.index, weights_of(layer), heads_wanted);
    if (heads_wanted && plan_.n_decode > 0 && status_ == cudaSuccess)
      status_ =
          cudaMemcpyAsync(b.qkv, b.heads, sizeof(float) * width * plan_.n_decode, cudaMemcpyDeviceToDevice, stream_);
    if (plan_.n_piece > 0) attn_chunks(layer.index);
  } else {
    attn_general(layer.index, shape.n_row);
  }
  tap(Tap::kQcur, layer.index, b.qkv, shape.n_row, config_.d_q(), width);
  tap(Tap::kKcur, layer.index, b.qkv + config_.d_q(), shape.n_row, config_.d_kv(), width);
  tap(Tap::kVcur, layer.index, b.qkv + config_.d_q() + config_.d_kv(), shape.n_row, config_.d_kv(), width);
  tap(Tap::kKqvOut, layer.index, b.a, shape.n_row, config_.d_q());
}

}  // namespace tercet::cuda
