// route   contract: docs/stages.md#route   mirrors: ref/route.cc, cpu/route.cc, cuda/route.cu
//   h = rms_norm(x); p = softmax(W h); ids = top-k(p), ties to the lower id; w = p[ids] / sum p[ids]
//   x, h: [n_row, d_model] f32   W: [n_expert, d_model] f32   ids: [n_row, k] i32   w: [n_row, k] f32
//   Here: what follows norm.wgsl and product.wgsl. p is not needed: w = exp(l - max l) over the sum of the chosen.
//   launch: 256 threads a row   shared: 8 n_expert + 4 k bytes   sum: f32, in the order of the choices
@group(1) @binding(0) var<storage, read> logits: array<f32>;  // [n_row, N_EXPERT]
@group(1) @binding(1) var<storage, read_write> ids: array<u32>;
@group(1) @binding(2) var<storage, read_write> weights: array<f32>;

var<workgroup> key: array<u32, N_EXPERT>;
var<workgroup> chosen: array<f32, N_USED>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = group.x;
  for (var e = thread; e < N_EXPERT; e += 256u) {
    let logit = logits[row * N_EXPERT + e];
    let is_nan = (bitcast<u32>(logit) & 0x7fffffffu) > 0x7f800000u;
    key[e] = select(order_key(logit), 0u, is_nan);
  }
  workgroupBarrier();
  for (var e = thread; e < N_EXPERT; e += 256u) {
    var rank = 0u;
    for (var other = 0u; other < N_EXPERT; other++) {
      if (key[other] > key[e] || (key[other] == key[e] && other < e)) { rank++; }
    }
    if (rank < N_USED) {
      ids[row * N_USED + rank] = e;
      chosen[rank] = logits[row * N_EXPERT + e];
    }
  }
  workgroupBarrier();
  if (thread == 0u) {
    var total = 0.0;
    for (var i = 0u; i < N_USED; i++) {
      let p = exp(chosen[i] - chosen[0]);
      weights[row * N_USED + i] = p;
      total += p;
    }
    for (var i = 0u; i < N_USED; i++) { weights[row * N_USED + i] = weights[row * N_USED + i] / total; }
  }
}
