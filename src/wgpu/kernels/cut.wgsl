// cut   adds up, of a view's tokens whose place begins as the search has it, how many there are of each next digit, and what they
//   weigh; the first time, level 0, of all
//   logits, keys, candidates: adjust.wgsl   scratch: request.wgsl   turn: search and level
//   launch: 256 threads, 4096 tokens; (ceil(N_VOCAB / 4096), n_view)   shared: 15 KiB   of integers, so in any order
//   mirrors: backend/sampling.cc (find_kth_best, keep_nucleus)
@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read> keys: array<u32>;
@group(1) @binding(2) var<storage, read> candidates: array<vec2<u32>>;
@group(1) @binding(3) var<storage, read_write> scratch: array<atomic<u32>>;
@group(1) @binding(4) var<uniform> turn: vec4<u32>;

var<workgroup> bins: array<atomic<u32>, 3072>;  // counts, then low and high words of weights

fn find_largest(at: u32, thread: u32) -> u32 {
  var largest = 0u;
  for (var i = thread; i < N_CHUNK; i += 256u) { largest = max(largest, candidates[at + i].x); }
  counts[thread] = largest;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { counts[thread] = max(counts[thread], counts[thread + stride]); }
  }
  workgroupBarrier();
  return counts[0];
}

fn key_of(v: View, id: u32) -> u32 {
  if (v.is_list) { return order_key(logits[v.row * N_VOCAB + id]); }
  return keys[v.row * N_VOCAB + id];
}

fn add_token(key: u32, largest: u32, digit: u32, scale: f32) {
  atomicAdd(&bins[digit], 1u);
  let weight = weight_of(key, largest, scale);
  if (weight.x != 0u || weight.y != 0u) {
    let before = atomicAdd(&bins[1024u + digit], weight.x);
    let carry = select(0u, 1u, before + weight.x < before);
    if (weight.y + carry != 0u) { atomicAdd(&bins[2048u + digit], weight.y + carry); }
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let view = group.y;
  let which = turn.x;
  let level = turn.y;
  let v = view_at(view);
  if (level > 0u && ((which == 0u && v.count == 0u) || (which == 1u && v.top_p == 0xffffffffu))) { return; }
  let info = view * VIEW_WORDS;
  let is_first = group.x == 0u && thread == 0u;
  var prefix = vec2<u32>(0u, 0u);
  var largest = 0u;
  if (level == 0u) {
    largest = find_largest((select(0u, n_output(), v.is_list) + v.output) * N_CHUNK, thread);
    if (is_first) { atomicStore(&scratch[info + INFO_LARGEST], largest); }
  } else {
    let s = searched(view, v, which, level, thread);
    if (is_first) { store_search(state_of(view, which, level), s); }
    if (s.is_done != 0u) { return; }
    prefix = s.prefix;
    largest = atomicLoad(&scratch[info + INFO_LARGEST]);
  }
  for (var i = thread; i < 3072u; i += 256u) { atomicStore(&bins[i], 0u); }
  workgroupBarrier();
  for (var i = thread; i < 4096u; i += 256u) {
    let id = group.x * 4096u + i;
    if (id < N_VOCAB) {
      let key = key_of(v, id);
      let place = place_of(key, largest, id);
      if (has_prefix(place, prefix, level)) { add_token(key, largest, digit_of(place, level), v.scale); }
    }
  }
  workgroupBarrier();
  let to = bins_of(view, which, level);
  for (var i = thread; i < 1024u; i += 256u) {
    let n = atomicLoad(&bins[i]);
    if (n != 0u) {
      atomicAdd(&scratch[to + i], n);
      let low = atomicLoad(&bins[1024u + i]);
      let before = atomicAdd(&scratch[to + 1024u + i], low);
      let high = atomicLoad(&bins[2048u + i]) + select(0u, 1u, before + low < before);
      if (high != 0u) { atomicAdd(&scratch[to + 2048u + i], high); }
    }
  }
}
