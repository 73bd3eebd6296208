// keep   what a view keeps: of a list its tokens, in any order; of a draw the sum of each chunk's weights
//   logits, keys: adjust.wgsl   scratch: request.wgsl   lists: of key and id
//   launch: 256 threads; (N_CHUNK, n_view)   shared: 3 KiB   of integers, so in any order
//   mirrors: backend/sampling.cc (choose, report_logprobs)
@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> scratch: array<atomic<u32>>;
@group(1) @binding(3) var<storage, read_write> lists: array<vec2<u32>>;

fn list_tokens(v: View, info: u32, base: u32, cut: vec2<u32>, thread: u32) {
  let largest = atomicLoad(&scratch[info + INFO_LARGEST]);
  for (var id = base + thread; id < min(base + CHUNK, N_VOCAB); id += 256u) {
    let key = order_key(logits[v.row * N_VOCAB + id]);
    if (is_kept(place_of(key, largest, id), cut)) {
      lists[v.list_at + atomicAdd(&scratch[info + INFO_LENGTH], 1u)] = vec2<u32>(key, id);
    }
  }
}

fn add_chunk(v: View, view: u32, chunk: u32, cut: vec2<u32>, thread: u32) {
  let largest = atomicLoad(&scratch[view * VIEW_WORDS + INFO_LARGEST]);
  let least = vec2<u32>(request(v.output, 14u), request(v.output, 15u));
  var sum = vec2<u32>(0u, 0u);
  for (var id = chunk * CHUNK + thread; id < min((chunk + 1u) * CHUNK, N_VOCAB); id += 256u) {
    sum = add_wide(sum, kept_weight(keys[v.row * N_VOCAB + id], largest, id, cut, v.scale, least));
  }
  lows[thread] = sum.x;
  highs[thread] = sum.y;
  for (var stride = 128u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) {
      sum = add_wide(sum, vec2<u32>(lows[thread + stride], highs[thread + stride]));
      lows[thread] = sum.x;
      highs[thread] = sum.y;
    }
  }
  if (thread == 0u) {
    atomicStore(&scratch[view * VIEW_WORDS + SUMS_AT + 2u * chunk], sum.x);
    atomicStore(&scratch[view * VIEW_WORDS + SUMS_AT + 2u * chunk + 1u], sum.y);
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let view = group.y;
  let v = view_at(view);
  let info = view * VIEW_WORDS;
  var cut = vec2<u32>(0xffffffffu, 0xffffffffu);
  if (v.top_p != 0xffffffffu) {
    cut = later(view, 1u, LEVELS, thread).prefix;
  } else if (v.count > 0u) {
    cut = later(view, 0u, LEVELS, thread).prefix;
  }
  workgroupBarrier();  // what the search had in shared memory was read
  if (v.is_list) {
    if (group.x == 0u) {
      scan_bins(bins_of(view, 0u, 0u), thread);
      if (thread == 255u) {
        atomicStore(&scratch[info + INFO_SUM], lows[255]);
        atomicStore(&scratch[info + INFO_SUM + 1u], highs[255]);
      }
    }
    list_tokens(v, info, group.x * CHUNK, cut, thread);
  } else {
    if (group.x == 0u && thread == 0u) {
      atomicStore(&scratch[info + INFO_CUT], cut.x);
      atomicStore(&scratch[info + INFO_CUT + 1u], cut.y);
    }
    add_chunk(v, view, group.x, cut, thread);
  }
}
