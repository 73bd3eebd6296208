// attn   contract: docs/stages.md#attn   mirrors: ref/attn.cc, cpu/attn.cc, cuda/attn.cu
//   s_p = q.k_p / sqrt(d_head), p <= position; a = sum_p softmax(s)_p v_p; head i reads KV head i n_head_kv / n_head
//   q, a: [n_row, n_head, d_head] f32   k, v: the page table's pages of [n_head_kv, page_size, d_head] f32 or f16
//   launch: 256 threads; (n_head, n_row)   shared: 4 d_head + 6 KiB
//   sum: f32, 256 positions at a time: four threads a score, then a tree for the largest and the sum; the values in
//   1024 / d_head groups of every so manyth position, added in order; rescaled as the largest score grows
//   cost: every key and value of the sequence once a query head, out of the cache for the heads of a group
@group(1) @binding(0) var<storage, read> heads: array<vec4<f32>>;  // [n_row, N_HEAD + 2 N_HEAD_KV, D_HEAD]
@group(1) @binding(1) var<storage, read> keys: array<KvWord>;      // four elements a word
@group(1) @binding(2) var<storage, read> values: array<KvWord>;
@group(1) @binding(3) var<storage, read_write> a: array<vec4<f32>>;

const WORDS: u32 = D_HEAD / 4u;      // of a head
const GROUPS: u32 = 256u / WORDS;    // of positions whose values are added side by side

var<workgroup> q: array<vec4<f32>, WORDS>;
var<workgroup> score: array<f32, 256>;
var<workgroup> tree: array<f32, 256>;
var<workgroup> sums: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = group.y;
  let h = group.x;
  let kv_head = h / (N_HEAD / N_HEAD_KV);
  let n_position = position_of(row) + 1u;
  for (var i = thread; i < WORDS; i += 256u) {
    q[i] = heads[(row * (N_HEAD + 2u * N_HEAD_KV) + h) * WORDS + i];
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(f32(D_HEAD));
  let part = thread % 4u;
  let word = thread % WORDS;
  let my_group = thread / WORDS;
  var largest = -3.0e38;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var base = 0u; base < n_position; base += 256u) {
    let n = min(256u, n_position - base);
    for (var page = 0u; page * 64u < n; page++) {
      let i = page * 64u + thread / 4u;
      var s = vec4<f32>(0.0);
      if (i < n) {
        let at = ((page_of(row, base + page * 64u) * N_HEAD_KV + kv_head) * 64u + thread / 4u) * WORDS;
        for (var c = part; c < WORDS; c += 4u) { s = fma(q[c], kv_value(keys[at + c]), s); }
      }
      tree[thread] = (s.x + s.y) + (s.z + s.w);
      workgroupBarrier();
      if (part == 0u) {
        score[i] = ((tree[thread] + tree[thread + 1u]) + (tree[thread + 2u] + tree[thread + 3u])) * scale;
      }
      workgroupBarrier();
    }
    let mine = select(-3.0e38, score[thread], thread < n);
    tree[thread] = mine;
    for (var stride = 128u; stride > 0u; stride /= 2u) {
      workgroupBarrier();
      if (thread < stride) { tree[thread] = max(tree[thread], tree[thread + stride]); }
    }
    workgroupBarrier();
    let next = max(largest, tree[0]);
    let shrink = exp(largest - next);
    workgroupBarrier();
    let p = select(0.0, exp(mine - next), thread < n);
    score[thread] = p;
    tree[thread] = p;
    for (var stride = 128u; stride > 0u; stride /= 2u) {
      workgroupBarrier();
      if (thread < stride) { tree[thread] += tree[thread + stride]; }
    }
    workgroupBarrier();
    total = fma(total, shrink, tree[0]);
    sum *= shrink;
    if (my_group < GROUPS) {
      for (var i = my_group; i < n; i += GROUPS) {
        let at = ((page_of(row, base + i) * N_HEAD_KV + kv_head) * 64u + i % 64u) * WORDS + word;
        sum = fma(vec4<f32>(score[i]), kv_value(values[at]), sum);
      }
    }
    largest = next;
    workgroupBarrier();
  }
  sums[thread] = sum;
  workgroupBarrier();
  if (thread < WORDS) {
    for (var g = 1u; g < GROUPS; g++) { sum += sums[g * WORDS + thread]; }
    a[(row * N_HEAD + h) * WORDS + thread] = sum / total;
  }
}
