// experts   contract: docs/stages.md#experts   mirrors: ref/experts.cc, cpu/experts.cc, cuda/experts.cu
//   y = sum_i w_i down_e(silu(gate_e h) * up_e h), e = ids_i, in slot order; x = x + y
//   h, x, y: [n_row, d_model] f32   gate, up: [n_expert][d_ff, d_model]   down: [n_expert][d_model, d_ff] quantized
//   Here: the products of one expert with those rows that chose it, T at a time. A slot is a row's choice, row * k + i.
//   Where rows are many, group.wgsl has listed tiles of slots of one expert; where they are few, a tile is a slot.
//   IS_GATE: act[slot] = silu(gate_e h) * up_e h   else: slot_out[slot] = down_e act[slot]; combine.wgsl sums up
//   launch: 256 threads, LANES of them an output; (outputs / (256 / LANES), tiles)   shared: 1 KiB a row of T and matrix
//   sum: f32, fused, LANES sums of every LANES-th unit with four parts each, then a tree, whatever T is
//   cost: the weights of an expert once every T of its rows
struct Site {
  planes: array<vec4<u32>, 2>,
  experts: vec4<u32>,  // the first expert of the bound parts, and how many they have
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;
@group(1) @binding(3) var<storage, read> ids: array<u32>;
@group(1) @binding(4) var<storage, read> tiles: array<u32>;

var<workgroup> partial: array<f32, 256u * T * N_MATRIX>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let output = group.x * (256u / LANES) + thread / LANES;
  let tile = group.y;
  var expert = 0u;
  var begin = 0u;
  var n = 1u;
  if (IS_GROUPED) {
    if (tile >= tiles[0]) { return; }
    expert = tiles[4u + 4u * tile];
    begin = tiles[5u + 4u * tile];
    n = tiles[6u + 4u * tile];
  } else {
    expert = ids[tile];
  }
  if (expert < site.experts.x || expert - site.experts.x >= site.experts.y) { return; }
  let row_of_w = ((expert - site.experts.x) * OUTPUTS + min(output, OUTPUTS - 1u)) * UNITS;

  var slot: array<u32, T>;
  var at: array<u32, T>;
  for (var t = 0u; t < T; t++) {
    slot[t] = tile;
    if (IS_GROUPED) { slot[t] = tiles[ORDER_AT + begin + min(t, n - 1u)]; }
    at[t] = select(slot[t], slot[t] / N_USED, IS_GATE) * (8u * UNITS);
  }
  var sum: array<vec4<f32>, T>;
  var sum2: array<vec4<f32>, T>;
  for (var t = 0u; t < T; t++) {
    sum[t] = vec4<f32>(0.0);
    sum2[t] = vec4<f32>(0.0);
  }
  for (var unit = lane; unit < UNITS; unit += LANES) {
    let w = load_0(row_of_w + unit, site.planes[0]);
    for (var t = 0u; t < T; t++) {
      let source = at[t] + 8u * unit;
      var s = sum[t];
      s = fma(w[0], x[source], s);
      s = fma(w[1], x[source + 1u], s);
      s = fma(w[2], x[source + 2u], s);
      s = fma(w[3], x[source + 3u], s);
      s = fma(w[4], x[source + 4u], s);
      s = fma(w[5], x[source + 5u], s);
      s = fma(w[6], x[source + 6u], s);
      s = fma(w[7], x[source + 7u], s);
      sum[t] = s;
    }
    if (IS_GATE) {
      let v = load_last(row_of_w + unit);
      for (var t = 0u; t < T; t++) {
        let source = at[t] + 8u * unit;
        var s = sum2[t];
        s = fma(v[0], x[source], s);
        s = fma(v[1], x[source + 1u], s);
        s = fma(v[2], x[source + 2u], s);
        s = fma(v[3], x[source + 3u], s);
        s = fma(v[4], x[source + 4u], s);
        s = fma(v[5], x[source + 5u], s);
        s = fma(v[6], x[source + 6u], s);
        s = fma(v[7], x[source + 7u], s);
        sum2[t] = s;
      }
    }
  }
  for (var t = 0u; t < T; t++) {
    partial[t * 256u + thread] = (sum[t].x + sum[t].y) + (sum[t].z + sum[t].w);
    if (IS_GATE) { partial[(T * (N_MATRIX - 1u) + t) * 256u + thread] = (sum2[t].x + sum2[t].y) + (sum2[t].z + sum2[t].w); }
  }
  for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      for (var t = 0u; t < T * N_MATRIX; t++) { partial[t * 256u + thread] += partial[t * 256u + thread + stride]; }
    }
  }
  if (lane == 0u && output < OUTPUTS) {
    for (var t = 0u; t < T; t++) {
      if (t < n) {
        var value = partial[t * 256u + thread];
        if (IS_GATE) { value = value / (1.0 + exp(-value)) * partial[(T * (N_MATRIX - 1u) + t) * 256u + thread]; }
        y[slot[t] * OUTPUTS + output] = value;
      }
    }
  }
}
