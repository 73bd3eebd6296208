// attn_in   contract: docs/stages.md#attn_in   mirrors: ref/attn_in.cc, cpu/attn_in.cc, cuda/attn_in.cu
//   h = rms_norm(x); q = rope(rms_norm(Wq h)); k = rope(rms_norm(Wk h)); v = Wv h; k, v to the KV cache at position
//   x: [n_row, d_model] f32   q: [n_row, n_head, d_head] f32   k, v: [n_row, n_head_kv, d_head] f32
//   Here: what follows the products, of norm.wgsl and product.wgsl. A workgroup has one head of q, k or v of one row.
//   launch: 64 threads; (n_head + 2 n_head_kv, n_row)   shared: 4 d_head + 256 bytes
//   sum: f32, 64 sums of every 64th element, then a tree; cosines and sines come from the host, in double rounded once
@group(1) @binding(0) var<storage, read> qkv: array<f32>;         // [n_row, (N_HEAD + 2 N_HEAD_KV) D_HEAD]
@group(1) @binding(1) var<storage, read> q_norm: array<f32>;
@group(1) @binding(2) var<storage, read> k_norm: array<f32>;
@group(1) @binding(3) var<storage, read_write> heads: array<f32>;  // the same after norm and rotation
@group(1) @binding(4) var<storage, read_write> keys: array<u32>;   // [n_page, N_HEAD_KV, 64, D_HEAD]
@group(1) @binding(5) var<storage, read_write> values: array<u32>;

var<workgroup> partial: array<f32, 64>;
var<workgroup> head: array<f32, D_HEAD>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = group.y;
  let h = group.x;
  let at = (row * (N_HEAD + 2u * N_HEAD_KV) + h) * D_HEAD;
  let is_q = h < N_HEAD;
  let is_v = h >= N_HEAD + N_HEAD_KV;
  var sum = 0.0;
  for (var i = thread; i < D_HEAD; i += 64u) { sum = fma(qkv[at + i], qkv[at + i], sum); }
  partial[thread] = sum;
  for (var stride = 32u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { partial[thread] += partial[thread + stride]; }
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(fold(partial[thread % WIDE], WIDE) / f32(D_HEAD) + EPS);
  for (var i = thread; i < D_HEAD / 2u; i += 64u) {
    let j = i + D_HEAD / 2u;
    var a = qkv[at + i];
    var b = qkv[at + j];
    if (!is_v) {
      a = a * scale * select(k_norm[i], q_norm[i], is_q);
      b = b * scale * select(k_norm[j], q_norm[j], is_q);
      let turn = rotation(row, D_HEAD / 2u, i);
      let c = fma(a, turn.x, -(b * turn.y));
      b = fma(b, turn.x, a * turn.y);
      a = c;
    }
    head[i] = a;
    head[j] = b;
    heads[at + i] = a;
    heads[at + j] = b;
  }
  workgroupBarrier();
  if (is_q) { return; }
  let position = position_of(row);
  let kv_head = select(h - N_HEAD, h - N_HEAD - N_HEAD_KV, is_v);
  let place = ((page_of(row, position) * N_HEAD_KV + kv_head) * 64u + position % 64u) * D_HEAD;
  if (KV_IS_F16) {
    for (var i = thread; i < D_HEAD / 2u; i += 64u) {
      let both = pack2x16float(vec2<f32>(head[2u * i], head[2u * i + 1u]));
      if (is_v) { values[place / 2u + i] = both; } else { keys[place / 2u + i] = both; }
    }
  } else {
    for (var i = thread; i < D_HEAD; i += 64u) {
      let bits = bitcast<u32>(head[i]);
      if (is_v) { values[place + i] = bits; } else { keys[place + i] = bits; }
    }
  }
}
