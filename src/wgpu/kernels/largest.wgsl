// largest   of every 64th part of an output's logits the largest, for head.wgsl
//   logits: [n_output, N_VOCAB] f32   candidates: [n_output, 64] of key and id; key 0 where a part is empty
//   launch: 256 threads; (64, n_output)   shared: 2 KiB   mirrors: backend/sampling.cc (find_largest)
@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read_write> candidates: array<vec2<u32>>;

var<workgroup> best: array<vec2<u32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  var mine = vec2<u32>(0u, 0xffffffffu);
  for (var i = group.x * 256u + thread; i < N_VOCAB; i += 64u * 256u) {
    let key = order_key(logits[group.y * N_VOCAB + i]);
    mine = better(mine, vec2<u32>(key, i));
  }
  best[thread] = mine;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { best[thread] = better(best[thread], best[thread + stride]); }
  }
  if (thread == 0u) { candidates[group.y * 64u + group.x] = best[0]; }
}
