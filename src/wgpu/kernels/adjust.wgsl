// adjust   an output's logits after penalties, biases and mask, as keys, for those that draw; of each chunk the largest
//   logits: [n_output, N_VOCAB] f32   keys: [n_key_row, N_VOCAB] u32   candidates: [2, n_output, N_CHUNK] of key and id, adjusted
//   and raw; key 0 where all is forbidden   scratch: the output's views, which become 0
//   A product and what is subtracted from it, or added, are computed by different threads, with a barrier between: a
//   compiler may make one rounding of two.
//   launch: 256 threads; (N_CHUNK, n_output)   shared: 10 KiB
//   mirrors: backend/sampling.cc (adjust, find_largest, first_allowed)
@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read> last_token: array<u32>;
@group(1) @binding(2) var<storage, read_write> keys: array<u32>;
@group(1) @binding(3) var<storage, read_write> candidates: array<vec2<u32>>;
@group(1) @binding(4) var<storage, read_write> scratch: array<u32>;

var<workgroup> chunk: array<f32, 2048>;
var<workgroup> best: array<vec2<u32>, 256>;
var<workgroup> is_counted: atomic<u32>;  // whether the token in flight is among the counts

// backend::settled
fn settled(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return bitcast<f32>(select(bits, 0u, (bits & 0x7fffffffu) < 0x0d800000u));
}

fn multiply(output: u32, at: u32) {
  let logit = settled(chunk[at]);
  let bits = bitcast<u32>(logit);
  let is_positive = bits > 0u && bits <= 0x7f800000u;
  chunk[at] = settled(logit * bitcast<f32>(select(request(output, 10u), request(output, 9u), is_positive)));
}

// Of a count three words: its token; what is subtracted; the same if the token in flight is this one.
fn penalize(output: u32, base: u32, thread: u32) {
  let begin = request(output, 5u);
  let end = begin + 3u * request(output, 4u);
  let last = select(0xffffffffu, last_token[slot_of(output_row(output))], asks(output, FROM_LAST));
  if (thread == 0u) { atomicStore(&is_counted, 0u); }
  workgroupBarrier();
  for (var i = begin + 3u * thread; i < end; i += 768u) {
    let token = step_input[i];
    if (token == last) { atomicStore(&is_counted, 1u); }
    if (token - base < CHUNK) { multiply(output, token - base); }
  }
  workgroupBarrier();
  let is_new = last != 0xffffffffu && atomicLoad(&is_counted) == 0u && last - base < CHUNK;
  if (is_new && thread == 0u) { multiply(output, last - base); }
  workgroupBarrier();
  for (var i = begin + 3u * (255u - thread); i < end; i += 768u) {
    let token = step_input[i];
    if (token - base < CHUNK) {
      chunk[token - base] = settled(chunk[token - base] - bitcast<f32>(step_input[i + select(1u, 2u, token == last)]));
    }
  }
  if (is_new && thread == 255u) {
    chunk[last - base] = settled(chunk[last - base] - bitcast<f32>(request(output, 11u)));
  }
  workgroupBarrier();
}

// All of a token's are one thread's; they lie by token.
fn add_biases(output: u32, base: u32, thread: u32) {
  let begin = request(output, 7u);
  let end = begin + 2u * request(output, 6u);
  for (var i = begin + 2u * thread; i < end; i += 512u) {
    let token = step_input[i];
    if (token - base < CHUNK && (i == begin || step_input[i - 2u] != token)) {
      var value = chunk[token - base];
      for (var j = i; j < end; j += 2u) {
        if (step_input[j] != token) { break; }
        value = settled(settled(value) + bitcast<f32>(step_input[j + 1u]));
      }
      chunk[token - base] = value;
    }
  }
  workgroupBarrier();
}

fn write_best(to: u32, mine: vec2<u32>, thread: u32) {
  best[thread] = mine;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { best[thread] = better(best[thread], best[thread + stride]); }
  }
  if (thread == 0u) { candidates[to] = best[0]; }
  workgroupBarrier();
}

fn clear(view: u32, first: u32) {
  for (var i = first; i < VIEW_WORDS; i += 256u * N_CHUNK) { scratch[view * VIEW_WORDS + i] = 0u; }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let output = group.y;
  let base = group.x * CHUNK;
  if (asks(output, DRAWS)) { clear(draw_view(output), base / CHUNK * 256u + thread); }
  if (asks(output, LISTS)) { clear(list_view(output), base / CHUNK * 256u + thread); }
  var mine = vec2<u32>(0u, 0xffffffffu);
  for (var i = thread; i < CHUNK; i += 256u) {
    if (base + i < N_VOCAB) {
      let logit = logits[output * N_VOCAB + base + i];
      chunk[i] = logit;
      mine = better(mine, vec2<u32>(order_key(logit), base + i));
    }
  }
  write_best((n_output() + output) * N_CHUNK + group.x, mine, thread);
  if (!asks(output, SAMPLES)) { return; }
  if (asks(output, PENALIZES)) { penalize(output, base, thread); }
  if (request(output, 6u) != 0u) { add_biases(output, base, thread); }
  mine = vec2<u32>(0u, 0xffffffffu);
  for (var i = thread; i < CHUNK; i += 256u) {
    let id = base + i;
    if (id < N_VOCAB) {
      var key = order_key(chunk[i]);
      if (asks(output, MASKS)) {
        key = select(0u, key, ((step_input[request(output, 8u) + id / 32u] >> (id % 32u)) & 1u) != 0u);
      }
      mine = better(mine, vec2<u32>(key, id));
      if (asks(output, DRAWS)) { keys[key_row(output) * N_VOCAB + id] = key; }
    }
  }
  write_best(output * N_CHUNK + group.x, mine, thread);
}
