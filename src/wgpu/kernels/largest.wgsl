// largest   of every 64th part of an output's logits the largest, for head.wgsl
//   logits: [n_output, N_VOCAB] f32   candidates: [n_output, 64] of key and id; key 0 where a part is empty or forbidden
//   What is repeated for a, else for b: where outputs have biases or masks. A bias is added in place by its token's part; a token
//   that the mask forbids is below all that it allows, minus infinity and NaN among them
//   launch: 256 threads; (64, n_output)   shared: 2 KiB   mirrors: backend/sampling.cc (adjust, find_largest, first_allowed)
//@each a
@group(1) @binding(0) var<storage, read_write> logits: array<f32>;
//@end
//@each b
@group(1) @binding(0) var<storage, read> logits: array<f32>;
//@end
@group(1) @binding(1) var<storage, read_write> candidates: array<vec2<u32>>;

var<workgroup> best: array<vec2<u32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  var mine = vec2<u32>(0u, 0xffffffffu);
  //@each a
  let adjusted = adjustment(group.y);
  for (var i = thread; i < adjusted.y; i += 256u) {
    let at = adjusted.x + 2u * i;
    let token = step_input[at];
    // All of a token's are one thread's.
    if (token / 256u % 64u == group.x && (i == 0u || step_input[at - 2u] != token)) {
      var value = logits[group.y * N_VOCAB + token];
      for (var j = i; j < adjusted.y; j++) {
        if (step_input[adjusted.x + 2u * j] != token) { break; }
        value += bitcast<f32>(step_input[adjusted.x + 2u * j + 1u]);
      }
      logits[group.y * N_VOCAB + token] = value;
    }
  }
  storageBarrier();
  //@end
  for (var i = group.x * 256u + thread; i < N_VOCAB; i += 64u * 256u) {
    var key = order_key(logits[group.y * N_VOCAB + i]);
    //@each a
    if (adjusted.z != 0u) { key = select(0u, key, ((step_input[adjusted.z + i / 32u] >> (i % 32u)) & 1u) != 0u); }
    //@end
    mine = better(mine, vec2<u32>(key, i));
  }
  best[thread] = mine;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { best[thread] = better(best[thread], best[thread + stride]); }
  }
  if (thread == 0u) { candidates[group.y * 64u + group.x] = best[0]; }
}
