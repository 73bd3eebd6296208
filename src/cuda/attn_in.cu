// attn_in   contract: docs/stages.md#attn_in   mirrors: ref/attn_in.cc, cpu/attn_in.cc, wgpu/attn_in.wgsl
//   h = rms_norm(x); q = rope(rms_norm(Wq h)); k = rope(rms_norm(Wk h)); v = Wv h; k, v to the KV cache at position
//   x: [n_row, d_model] f32   q: [n_row, n_head, d_head] f32   k, v: [n_row, n_head_kv, d_head] f32
//   launch: products.cu; then a warp a head. For decoding rows of the modes with f16 the second half is in attention's
//   prologue (attn.cu), which is the only reader
//   sum: f32, a fixed tree
//   cost: reads Wq, Wk, Wv once; bandwidth-bound for few rows
//   Qcur, Kcur and Vcur are tapped in attn(), when all rows have them
#include <algorithm>
#include <cmath>

#include "cuda/kernels/heads.cuh"
#include "cuda/products.h"

namespace tercet::cuda {
namespace {

struct HeadArgs {
  StepInput in;
  Kv kv;
  int page_stride, layer, n_head, n_head_kv, first_row;
  float eps;
  const float *q_norm, *k_norm, *cosine, *sine;
  float* qkv;  // q and k are normalised and rotated in place
  half* q16;   // null, or q times q_scale
  float q_scale;
};

// A block a row, a warp a head: first q's, then k's with their v.
template <class T, int kPer>
__global__ void heads_kernel(HeadArgs p) {
  constexpr int d = 32 * kPer;
  grid_launch_next();
  grid_wait();
  const int r = p.first_row + static_cast<int>(blockIdx.x);
  const int position = p.in.position[r];
  const int lane = threadIdx.x % 32;
  const int d_q = p.n_head * d;
  const int d_kv = p.n_head_kv * d;
  float* row = p.qkv + int64_t{r} * (d_q + 2 * d_kv);
  const float* cosine = p.cosine + r * (d / 2);
  const float* sine = p.sine + r * (d / 2);
  for (int head = static_cast<int>(threadIdx.x / 32); head < p.n_head + p.n_head_kv;
       head += static_cast<int>(blockDim.x / 32)) {
    const bool is_q = head < p.n_head;
    float* at = row + head * d;
    float v[kPer];
    float norm[kPer];
    float c[kPer / 2];
    float t[kPer / 2];
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      v[j] = __ldcg(at + lane + 32 * j);
      norm[j] = __ldg((is_q ? p.q_norm : p.k_norm) + lane + 32 * j);
    }
#pragma unroll
    for (int j = 0; j < kPer / 2; ++j) {
      c[j] = __ldcg(cosine + lane + 32 * j);
      t[j] = __ldcg(sine + lane + 32 * j);
    }
    turn_head<kPer>(v, norm, p.eps, c, t);
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      at[lane + 32 * j] = v[j];
      if (is_q && p.q16 != nullptr)
        p.q16[int64_t{r} * d_q + head * d + lane + 32 * j] = __float2half_rn(v[j] * p.q_scale);
    }
    if (is_q) continue;
    const int page = p.in.page_table[int64_t{p.in.page_row[r]} * p.page_stride + position / kPageSize];
    T* keys = page_keys<T>(p.kv, p.n_head_kv, d, p.layer, page, head - p.n_head);
    append(keys, position, v, row + d_q + d_kv + (head - p.n_head) * d);
  }
}

}  // namespace

void Stages::attn_in(const model::LayerSpec& layer, const model::Shape& shape) {
  const LayerWeights& w = weights_of(layer);
  const int d_q = config_.d_q();
  const int d_kv = config_.d_kv();
  const int64_t width = d_q + 2 * d_kv;
  const Product list[] = {
      {&w.wq, b.qkv, width, false}, {&w.wk, b.qkv + d_q, width, false}, {&w.wv, b.qkv + d_q + d_kv, width, false}};
  products("qkv", {b.x, config_.d_model, w.attn_norm, shape.n_row, nullptr, if_wanted(backend::Tap::kAttnNorm, b.h)},
           list, 3);
  tap(backend::Tap::kAttnNorm, layer.index, b.h, shape.n_row, config_.d_model);

  // The decoding rows' share is part of attn_decode().
  HeadArgs args = {in,
                   kv,
                   plan_.page_stride,
                   layer.index,
                   config_.n_head,
                   config_.n_head_kv,
                   0,
                   config_.rms_eps,
                   w.attn_q_norm,
                   w.attn_k_norm,
                   b.cosine,
                   b.sine,
                   b.qkv,
                   nullptr,
                   0};
  if (attends_in_f16()) {
    args.first_row = plan_.n_decode;
    args.q16 = b.q16;
    args.q_scale = q_scale();
  }
  const int n_row = shape.n_row - args.first_row;
  const int n_thread = 32 * std::min(config_.n_head + config_.n_head_kv, 16);
  with_head_size(config_.d_head, [&]<int kPer>() {
    launch("heads", kv.type == backend::KvType::kF16 ? heads_kernel<half, kPer> : heads_kernel<float, kPer>, n_row,
           n_thread, 0, args);
  });
}

}  // namespace tercet::cuda
