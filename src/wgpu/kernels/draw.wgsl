// draw   an output's token, from the largest of its chunks or by weight: the first, in id order, at which the running sum of what
//   is kept exceeds a random part of the sum; and what log-probabilities are made of
//   logits, keys, candidates: adjust.wgsl   scratch: request.wgsl   results: [n_output, 8]: the token, its raw logit, the largest
//   raw logit's key, the sum of the raw weights (2)
//   launch: 256 threads; n_output   shared: 4 KiB   of integers, so in any order
//   mirrors: backend/sampling.cc (choose, draw)
@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read> keys: array<u32>;
@group(1) @binding(2) var<storage, read> candidates: array<vec2<u32>>;
@group(1) @binding(3) var<storage, read> scratch: array<u32>;
@group(1) @binding(4) var<storage, read_write> results: array<u32>;
@group(1) @binding(5) var<storage, read_write> last_token: array<u32>;

var<workgroup> sums: array<vec2<u32>, 256>;  // running
var<workgroup> chosen: vec4<u32>;            // what was found, and the sum before it

fn find_best(output: u32, thread: u32) -> vec2<u32> {
  var mine = vec2<u32>(0u, 0xffffffffu);
  for (var i = thread; i < N_CHUNK; i += 256u) { mine = better(mine, candidates[output * N_CHUNK + i]); }
  sums[thread] = mine;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { sums[thread] = better(sums[thread], sums[thread + stride]); }
  }
  if (thread == 0u) { chosen = vec4<u32>(sums[0], 0u, 0u); }
  return workgroupUniformLoad(&chosen).xy;
}

// Of each thread's sum the running sum up to and with it.
fn scan(own: vec2<u32>, thread: u32) -> vec2<u32> {
  var sum = own;
  for (var stride = 1u; stride <= 256u; stride *= 2u) {
    sums[thread] = sum;
    workgroupBarrier();
    if (stride < 256u && thread >= stride) { sum = add_wide(sum, sums[thread - stride]); }
    workgroupBarrier();
  }
  return sum;
}

fn chunk_sum(view: u32, chunk: u32) -> vec2<u32> {
  let at = view * VIEW_WORDS + SUMS_AT + 2u * chunk;
  return vec2<u32>(scratch[at], scratch[at + 1u]);
}

fn draw_token(output: u32, thread: u32) -> u32 {
  let view = draw_view(output);
  let each = (N_CHUNK + 255u) / 256u;
  var own = vec2<u32>(0u, 0u);
  for (var c = each * thread; c < min(each * thread + each, N_CHUNK); c++) { own = add_wide(own, chunk_sum(view, c)); }
  let through = scan(own, thread);
  let goal = high_wide(vec2<u32>(request(output, 12u), request(output, 13u)), sums[255]);
  var before = rest_wide(through, own);
  if (!less_wide(goal, before) && less_wide(goal, through)) {
    var c = each * thread;
    for (; less_wide(before, through); c++) {
      let next = add_wide(before, chunk_sum(view, c));
      if (less_wide(goal, next)) { break; }
      before = next;
    }
    chosen = vec4<u32>(c, 0u, before);
  }
  let in_chunk = workgroupUniformLoad(&chosen);

  let v = view_at(view);
  let info = view * VIEW_WORDS;
  let largest = scratch[info + INFO_LARGEST];
  let cut = vec2<u32>(scratch[info + INFO_CUT], scratch[info + INFO_CUT + 1u]);
  let least = vec2<u32>(request(output, 14u), request(output, 15u));
  let first = in_chunk.x * CHUNK + thread * 8u;
  own = vec2<u32>(0u, 0u);
  for (var id = first; id < min(first + 8u, N_VOCAB); id++) {
    own = add_wide(own, kept_weight(keys[v.row * N_VOCAB + id], largest, id, cut, v.scale, least));
  }
  let after = add_wide(in_chunk.zw, scan(own, thread));
  before = rest_wide(after, own);
  if (!less_wide(goal, before) && less_wide(goal, after)) {
    var id = first;
    for (; id < N_VOCAB; id++) {
      before = add_wide(before, kept_weight(keys[v.row * N_VOCAB + id], largest, id, cut, v.scale, least));
      if (less_wide(goal, before)) { break; }
    }
    chosen = vec4<u32>(id, 0u, 0u, 0u);
  }
  return workgroupUniformLoad(&chosen).x;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let output = group.x;
  var token = 0xffffffffu;
  if (asks(output, SAMPLES)) {
    let best = find_best(output, thread);
    token = best.y;
    if (asks(output, DRAWS) && best.x > KEY_OF_NOTHING && best.x < KEY_OF_INFINITY) { token = draw_token(output, thread); }
  }
  if (thread != 0u) { return; }
  results[8u * output] = token;
  if (samples(output)) { last_token[slot_of(output_row(output))] = token; }
  if (asks(output, LISTS)) {
    let info = list_view(output) * VIEW_WORDS;
    if (asks(output, SAMPLES)) { results[8u * output + 1u] = bitcast<u32>(logits[output * N_VOCAB + token]); }
    results[8u * output + 2u] = scratch[info + INFO_LARGEST];
    results[8u * output + 3u] = scratch[info + INFO_SUM];
    results[8u * output + 4u] = scratch[info + INFO_SUM + 1u];
  }
}
