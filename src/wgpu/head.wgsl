// head   contract: docs/stages.md#head   mirrors: ref/head.cc, cpu/head.cc, cuda/head.cu
//   logits = Wout rms_norm(x), for the rows that were asked for; sampling: backend/sampling.h
//   x: [n_row, d_model] f32   Wout: [n_vocab, d_model] quantized   logits: [n_output, n_vocab] f32
//   Here: the greedy choice among the candidates of kernels/largest.wgsl, where a step asks for nothing else; other choices are
//   those of kernels/adjust.wgsl and draw.wgsl (sample.cc). norm.wgsl and product.wgsl come before.
//   launch: 64 threads an output   shared: 512 bytes   the largest logit, ties to the lower id, a NaN as minus infinity
@group(1) @binding(0) var<storage, read> candidates: array<vec2<u32>>;  // [n_output, 64] of key and id
@group(1) @binding(1) var<storage, read_write> results: array<u32>;  // [n_output, 8]
@group(1) @binding(2) var<storage, read_write> last_token: array<u32>;

var<workgroup> best: array<vec2<u32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let output = group.x;
  best[thread] = candidates[output * 64u + thread];
  for (var stride = 32u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { best[thread] = better(best[thread], best[thread + stride]); }
  }
  if (thread == 0u) {
    results[8u * output] = best[0].y;
    // One row of a sequence decides its next token: the host says which.
    if (samples(output)) { last_token[slot_of(output_row(output))] = best[0].y; }
  }
}
