// attn_tile   attn.wgsl of a prompt: 16 T queries (t) of one sequence and KV head at a time
//   queries: the heads of a group of the first row, then those of the next; a tile (input.cc) has 16 T of them, row after row
//   In blocks of 64 positions, a page each: S = Q K^T, 32 columns of both at a time in shared memory, as tile.wgsl; then of
//   each query M' = max(M, max S), P = exp(S - M'), L = L exp(M - M') + sum P, O = O exp(M - M') + P V; a = O / L
//   launch: 256 threads; (n_head_kv, tiles)   shared: 2 KiB T + 8 KiB, or 4 KiB T for P, and 1 KiB + 128 T bytes
//   sum: f32, fused, columns and positions in order. Not attn.wgsl's order
//   cost: keys and values once a tile; those of values come out of the cache
@group(1) @binding(0) var<storage, read> heads: array<vec4<f32>>;  // [n_row, N_HEAD + 2 N_HEAD_KV, D_HEAD]
@group(1) @binding(1) var<storage, read> keys: array<KvWord>;
@group(1) @binding(2) var<storage, read> values: array<KvWord>;
@group(1) @binding(3) var<storage, read_write> a: array<vec4<f32>>;

const WORDS: u32 = D_HEAD / 4u;
const SHARE: u32 = N_HEAD / N_HEAD_KV;
const QUERIES: u32 = 16u * T;
const PARTS: u32 = 256u / QUERIES;  // threads that share a query's softmax
const LEAST: f32 = -3.0e38;

// Lines of Q and of K, eight words each, or lines of P, sixteen. A word lies where tile.wgsl has it.
var<workgroup> lines: array<vec4<f32>, max(8u * (QUERIES + 64u), 16u * QUERIES)>;
var<workgroup> part: array<f32, 256>;
var<workgroup> factor: array<f32, QUERIES>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let tile = attn_tile(group.y);  // the sequence's first row, how many it has, the tile's first query
  let n_query = min(QUERIES, tile.y * SHARE - tile.z);
  let kv_head = group.x;
  let end = position_of(tile.x + (tile.z + n_query - 1u) / SHARE) + 1u;
  let tn = thread % 8u + 8u * ((thread / 32u) % 2u);
  let tm = (thread % 32u) / 8u + 4u * (thread / 64u);
  let line = thread / 8u;
  let word = thread % 8u;
  let mine = min(thread / PARTS, n_query - 1u);  // the query whose softmax it shares
  let my_end = position_of(tile.x + (tile.z + mine) / SHARE) + 1u;
  var largest = LEAST;
  var total = 0.0;
  //@each b
  let query$b = tile.z + min(line + 32u * $bu, n_query - 1u);
  let from$b = ((tile.x + query$b / SHARE) * (N_HEAD + 2u * N_HEAD_KV) + kv_head * SHARE + query$b % SHARE) * WORDS;
  //@end
  //@each t
  //@each c
  var o$t_$c = vec4<f32>(0.0);
  //@end
  //@end
  let scale = 1.0 / sqrt(f32(D_HEAD));
  for (var first = 0u; first < end; first += 64u) {
    let n = min(64u, end - first);
    let base = (page_of(tile.x, first) * N_HEAD_KV + kv_head) * 64u * WORDS;
    //@each t
    //@each r
    var s$t_$r = 0.0;
    //@end
    //@end
    for (var d = 0u; d < WORDS; d += 8u) {
      let is_there = d + word < WORDS;
      //@each b
      if (line + 32u * $bu < QUERIES) {
        var value = vec4<f32>(0.0);
        if (is_there) { value = heads[from$b + d + word]; }
        lines[8u * (line + 32u * $bu) + (word ^ (line % 8u))] = value;
      }
      //@end
      for (var i = line; i < 64u; i += 32u) {
        var value = vec4<f32>(0.0);
        if (is_there) { value = kv_value(keys[base + min(i, n - 1u) * WORDS + d + word]); }
        lines[8u * (QUERIES + i) + (word ^ (i % 8u))] = value;
      }
      workgroupBarrier();
      for (var q = 0u; q < 8u; q++) {
        let at_k = 8u * (QUERIES + tn) + (q ^ (tn % 8u));
        let at_q = 8u * tm + (q ^ (tm % 8u));
        //@each r
        let k$r = lines[at_k + 128u * $ru];
        //@end
        //@each t
        {
          let q4 = lines[at_q + 128u * $tu];
          //@each r
          s$t_$r = add_product(k$r, q4, s$t_$r);
          //@end
        }
        //@end
      }
      workgroupBarrier();
    }
    //@each t
    //@each r
    lines[16u * (tm + 16u * $tu) + ((tn / 4u + 4u * $ru) ^ (tm % 8u))][tn % 4u] = s$t_$r * scale;
    //@end
    //@end
    workgroupBarrier();
    // A thread has 64 / PARTS positions of its query.
    let my_line = thread / PARTS;
    let my_word = thread % PARTS * (16u / PARTS);
    var m = LEAST;
    for (var w = my_word; w < my_word + 16u / PARTS; w++) {
      let s4 = lines[16u * my_line + (w ^ (my_line % 8u))];
      for (var i = 0u; i < 4u; i++) { m = select(m, max(m, s4[i]), first + 4u * w + i < my_end); }
    }
    part[thread] = m;
    workgroupBarrier();
    for (var i = 0u; i < PARTS; i++) { m = max(m, part[my_line * PARTS + i]); }
    let next = max(largest, m);
    let old = exp(largest - next);
    workgroupBarrier();
    var sum = 0.0;
    for (var w = my_word; w < my_word + 16u / PARTS; w++) {
      let at = 16u * my_line + (w ^ (my_line % 8u));
      let position = vec4<u32>(first + 4u * w) + vec4<u32>(0u, 1u, 2u, 3u);
      let p = select(vec4<f32>(0.0), exp(lines[at] - vec4<f32>(next)), position < vec4<u32>(my_end));
      lines[at] = p;
      sum += (p.x + p.y) + (p.z + p.w);
    }
    part[thread] = sum;
    if (thread % PARTS == 0u) { factor[my_line] = old; }
    workgroupBarrier();
    sum = 0.0;
    for (var i = 0u; i < PARTS; i++) { sum += part[my_line * PARTS + i]; }
    total = fma(total, old, sum);
    largest = next;
    //@each t
    {
      let f = vec4<f32>(factor[tm + 16u * $tu]);
      //@each c
      o$t_$c = o$t_$c * f;
      //@end
    }
    //@end
    for (var w = 0u; 4u * w < n; w++) {
      //@each t
      let p$t = lines[16u * (tm + 16u * $tu) + (w ^ (tm % 8u))];
      //@end
      //@each r
      {
        // Behind the end P is 0, and the last value does as well as any.
        let at = base + min(4u * w + $ru, n - 1u) * WORDS;
        //@each c
        let v$c = kv_value(values[at + min(tn + 16u * $cu, WORDS - 1u)]);
        //@end
        //@each t
        //@each c
        o$t_$c = fma(vec4<f32>(p$t[$ru]), v$c, o$t_$c);
        //@end
        //@end
      }
      //@end
    }
    workgroupBarrier();
  }
  if (thread % PARTS == 0u) { factor[thread / PARTS] = total; }
  workgroupBarrier();
  //@each t
  if (tm + 16u * $tu < n_query) {
    let query = tile.z + tm + 16u * $tu;
    let to = ((tile.x + query / SHARE) * N_HEAD + kv_head * SHARE + query % SHARE) * WORDS;
    let l = vec4<f32>(factor[tm + 16u * $tu]);
    //@each c
    if (tn + 16u * $cu < WORDS) { a[to + tn + 16u * $cu] = o$t_$c / l; }
    //@end
  }
  //@end
}
