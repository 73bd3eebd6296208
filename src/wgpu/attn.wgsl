// attn   contract: docs/stages.md#attn   mirrors: ref/attn.cc, cpu/attn.cc, cuda/attn.cu
//   s_p = q.k_p / sqrt(d_head), p <= position; a = sum_p softmax(s)_p v_p; head i reads KV head i n_head_kv / n_head
//   q, a: [n_row, n_head, d_head] f32   k, v: the page table's pages of [n_head_kv, page_size, d_head] f32 or f16
//   In blocks of 64 positions, a page each. Of a block: its largest score m, l = sum exp(s - m), o = sum exp(s - m) v. Blocks
//   are folded in order: M' = max(M, m), L = L exp(M - M') + l exp(m - M'), O the same; a = O / L.
//   What is repeated for l: where each row is alone in its sequence, what attn_in.wgsl does for it is done here, to the same bits; its
//   own key and value are not read back, and the first head of a group puts them into the cache.
//   launch: 256 threads; (n_head, n_row), or where rows are few (n_head, n_row * blocks), and kernels/merge.wgsl folds: the
//   bits are the same   shared: 4 d_head + 6 KiB, for lone rows 20 d_head more
//   sum: f32: four threads a score, a tree for l (its last WIDE by subgroups, where there are any), and of o 1024 / d_head groups of every so manyth position, added in order
//   cost: every key and value of the sequence once a query head, out of the cache for the heads of a group
@group(1) @binding(3) var<storage, read_write> a: array<vec4<f32>>;  // or the blocks: [n_row, N_HEAD, blocks] of o, then m, l

const WORDS: u32 = D_HEAD / 4u;      // of a head
const GROUPS: u32 = 256u / WORDS;    // of positions whose values are added side by side
const ROUNDS: u32 = (64u + GROUPS - 1u) / GROUPS;

var<workgroup> q: array<vec4<f32>, WORDS>;
var<workgroup> score: array<f32, 64>;
var<workgroup> tree: array<f32, 256>;
var<workgroup> sums: array<vec4<f32>, 256>;
//@each l
var<workgroup> own: array<f32, 3u * D_HEAD>;  // q, k, v
var<workgroup> own_kv: array<vec4<f32>, 2u * WORDS>;

// 64 threads for each of q, k and v, which add as attn_in.wgsl's do.
fn prepare(row: u32, h: u32, kv_head: u32, thread: u32, keeps: bool) {
  let which = thread / 64u;
  let lane = thread % 64u;
  let head = select(select(N_HEAD + N_HEAD_KV + kv_head, N_HEAD + kv_head, which == 1u), h, which == 0u);
  let at = (row * (N_HEAD + 2u * N_HEAD_KV) + head) * D_HEAD;
  var sum = 0.0;
  if (which < 2u) {
    for (var i = lane; i < D_HEAD; i += 64u) { sum = fma(qkv[at + i], qkv[at + i], sum); }
  }
  tree[thread] = sum;
  for (var stride = 32u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) { tree[thread] += tree[thread + stride]; }
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(fold(tree[64u * which + lane % WIDE], WIDE) / f32(D_HEAD) + EPS);
  if (which < 3u) {
    for (var i = lane; i < D_HEAD / 2u; i += 64u) {
      let j = i + D_HEAD / 2u;
      var first = qkv[at + i];
      var second = qkv[at + j];
      if (which < 2u) {
        first = first * scale * select(k_norm[i], q_norm[i], which == 0u);
        second = second * scale * select(k_norm[j], q_norm[j], which == 0u);
        let turn = rotation(row, D_HEAD / 2u, i);
        let turned = fma(first, turn.x, -(second * turn.y));
        second = fma(second, turn.x, first * turn.y);
        first = turned;
      }
      own[which * D_HEAD + i] = first;
      own[which * D_HEAD + j] = second;
      if (keeps) {
        heads[at + i] = first;
        heads[at + j] = second;
      }
    }
  }
  workgroupBarrier();
  if (which < 3u) {
    let position = position_of(row);
    let place = ((page_of(row, position) * N_HEAD_KV + kv_head) * 64u + position % 64u) * WORDS;
    let writes = keeps && h % (N_HEAD / N_HEAD_KV) == 0u;
    for (var i = lane; i < WORDS; i += 64u) {
      let at_own = which * D_HEAD + 4u * i;
      let value = vec4<f32>(own[at_own], own[at_own + 1u], own[at_own + 2u], own[at_own + 3u]);
      if (which == 0u) {
        q[i] = value;
      } else {
        let word = kv_word(value);
        own_kv[(which - 1u) * WORDS + i] = kv_value(word);
        if (writes && which == 1u) { keys[place + i] = word; }
        if (writes && which == 2u) { values[place + i] = word; }
      }
    }
  }
}
//@end
//@each c
fn prepare(row: u32, h: u32, kv_head: u32, thread: u32, keeps: bool) {
  for (var i = thread; i < WORDS; i += 256u) { q[i] = heads[(row * (N_HEAD + 2u * N_HEAD_KV) + h) * WORDS + i]; }
}
//@end

fn key_of(at: u32, i: u32, is_own: bool) -> vec4<f32> {
  //@each l
  if (is_own) { return own_kv[i]; }
  //@end
  return kv_value(keys[at + i]);
}
fn value_of(at: u32, i: u32, is_own: bool) -> vec4<f32> {
  //@each l
  if (is_own) { return own_kv[WORDS + i]; }
  //@end
  return kv_value(values[at + i]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let h = group.x;
  var row = group.y;
  var first = 0u;
  if (IS_SPLIT) {
    row = group.y / n_block();
    first = group.y % n_block();
  }
  let n_position = position_of(row) + 1u;
  var end = (n_position + 63u) / 64u;
  if (first >= end) { return; }
  if (IS_SPLIT) { end = first + 1u; }
  let kv_head = h / (N_HEAD / N_HEAD_KV);
  prepare(row, h, kv_head, thread, end * 64u >= n_position);
  workgroupBarrier();
  let scale = 1.0 / sqrt(f32(D_HEAD));
  let word = thread % WORDS;
  let my_group = thread / WORDS;
  var largest = -3.0e38;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var block = first; block < end; block++) {
    let n = min(64u, n_position - block * 64u);
    let base = (page_of(row, block * 64u) * N_HEAD_KV + kv_head) * 64u * WORDS;
    // Threads behind the end read the last position again, and what they find counts for nothing.
    let i_key = min(thread / 4u, n - 1u);
    let last = n_position - 1u - block * 64u;  // its own, if it is in this block
    var s = vec4<f32>(0.0);
    for (var c = thread % 4u; c < WORDS; c += 4u) { s = fma(q[c], key_of(base + i_key * WORDS, c, i_key == last), s); }
    let quarter = (s.x + s.y) + (s.z + s.w);
    //@each p
    tree[thread] = quarter;
    workgroupBarrier();
    if (thread < 64u) {
      let dot = (tree[4u * thread] + tree[4u * thread + 1u]) + (tree[4u * thread + 2u] + tree[4u * thread + 3u]);
      score[thread] = select(-3.0e38, dot * scale, thread < n);
    }
    //@end
    //@each s
    let dot = fold_four(quarter);
    if (thread % 4u == 0u) { score[thread / 4u] = select(-3.0e38, dot * scale, thread / 4u < n); }
    //@end
    workgroupBarrier();
    if (thread < 64u) { tree[thread] = score[thread]; }
    for (var stride = 32u; stride >= WIDE; stride /= 2u) {
      workgroupBarrier();
      if (thread < stride) { tree[thread] = max(tree[thread], tree[thread + stride]); }
    }
    workgroupBarrier();
    let m = fold_largest(tree[thread % WIDE], WIDE);
    workgroupBarrier();
    if (thread < 64u) {
      let p = select(0.0, exp(score[thread] - m), thread < n);
      score[thread] = p;
      tree[thread] = p;
    }
    for (var stride = 32u; stride >= WIDE; stride /= 2u) {
      workgroupBarrier();
      if (thread < stride) { tree[thread] += tree[thread + stride]; }
    }
    workgroupBarrier();
    let l = fold(tree[thread % WIDE], WIDE);
    var o = vec4<f32>(0.0);
    if (my_group < GROUPS) {
      for (var turn = 0u; turn < ROUNDS; turn++) {
        let i = my_group + turn * GROUPS;
        let p = select(0.0, score[min(i, 63u)], i < n);
        let i_value = min(i, n - 1u);
        o = fma(vec4<f32>(p), value_of(base + i_value * WORDS, word, i_value == last), o);
      }
    }
    sums[thread] = o;
    workgroupBarrier();
    if (thread < WORDS) {
      for (var g = 1u; g < GROUPS; g++) { o += sums[g * WORDS + thread]; }
      if (IS_SPLIT) {
        let to = ((row * N_HEAD + h) * n_block() + block) * (WORDS + 1u);
        a[to + thread] = o;
        if (thread == 0u) { a[to + WORDS] = vec4<f32>(m, l, 0.0, 0.0); }
      } else {
        let next = max(largest, m);
        let old = exp(largest - next);
        let new_ = exp(m - next);
        total = fma(total, old, l * new_);
        sum = fma(sum, vec4<f32>(old), o * new_);
        largest = next;
      }
    }
    workgroupBarrier();
  }
  if (!IS_SPLIT && thread < WORDS) {
    a[row * N_HEAD * WORDS + placed(h * D_HEAD + 4u * thread, N_HEAD * D_HEAD / 32u) / 4u] = sum / total;
  }
}
