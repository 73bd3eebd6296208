// head   contract: docs/stages.md#head   mirrors: ref/head.cc, cpu/head.cc, cuda/head.cu
//   logits = Wout rms_norm(x), for the rows that were asked for; sampling: backend/sampling.h
//   x: [n_row, d_model] f32   Wout: [n_vocab, d_model] quantized   logits: [n_output, n_vocab] f32
//   Here: the greedy choice. norm.wgsl and product.wgsl come before; other choices are the host's (backend/sampling.h).
//   launch: 256 threads an output   shared: 2 KiB   the largest logit, ties to the lower id, a NaN as minus infinity
@group(1) @binding(0) var<storage, read> logits: array<f32>;  // [n_output, N_VOCAB]
@group(1) @binding(1) var<storage, read_write> tokens: array<u32>;
@group(1) @binding(2) var<storage, read_write> last_token: array<u32>;

var<workgroup> best_key: array<u32, 256>;
var<workgroup> best_id: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let output = group.x;
  var key = 0u;
  var id = 0xffffffffu;
  for (var i = thread; i < N_VOCAB; i += 256u) {
    let k = order_key(logits[output * N_VOCAB + i]);
    if (k > key) {
      key = k;
      id = i;
    }
  }
  best_key[thread] = key;
  best_id[thread] = id;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) {
      let k = best_key[thread + stride];
      let i = best_id[thread + stride];
      if (k > best_key[thread] || (k == best_key[thread] && i < best_id[thread])) {
        best_key[thread] = k;
        best_id[thread] = i;
      }
    }
  }
  if (thread == 0u) {
    tokens[output] = best_id[0];
    // One row of a sequence decides its next token: the host says which.
    if (samples(output)) { last_token[slot_of(output_row(output))] = best_id[0]; }
  }
}
