// product   y = W x, or y += W x, of up to three matrices with one input, for T rows of it at a time
//   x: [n_row, COLS] f32   W: rows of UNITS units   y: [n_row, y_stride] f32
//   launch: 256 threads, LANES of them an output; (outputs / (256 / LANES), rows / T)   shared: 1 KiB a row of T
//   sum: f32, fused, LANES sums of every LANES-th unit with four parts each, then a tree: a row's bits depend neither on
//   T nor on other rows
//   cost: the weights once every T rows; reads of x come out of the cache
struct Site {
  planes: array<vec4<u32>, 3>,  // of each matrix: where its planes begin
  outputs: vec4<u32>,           // rows of the bound parts, then y's stride
  first: vec4<u32>,             // where in a row of y their first goes
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;

var<workgroup> partial: array<f32, 256u * T>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let n_all = n_rows_in();
  let row0 = group.y * T;
  // Which matrix: the groups of each follow those of the one before.
  var o_group = group.x;
  var which = 0u;
  for (var m = 0u; m + 1u < N_MATRIX; m++) {
    let n_group = (site.outputs[m] + 256u / LANES - 1u) / (256u / LANES);
    if (which == m && o_group >= n_group) {
      o_group -= n_group;
      which = m + 1u;
    }
  }
  let output = o_group * (256u / LANES) + thread / LANES;
  let n_outputs = site.outputs[which];
  let row_of_w = min(output, n_outputs - 1u) * UNITS;

  var sum: array<vec4<f32>, T>;
  for (var t = 0u; t < T; t++) { sum[t] = vec4<f32>(0.0); }
  var at: array<u32, T>;
  for (var t = 0u; t < T; t++) { at[t] = min(row0 + t, n_all - 1u) * (COLS / 4u); }
  for (var unit = lane; unit < UNITS; unit += LANES) {
    let w = load_which(which, row_of_w + unit);
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
  }
  for (var t = 0u; t < T; t++) { partial[t * 256u + thread] = (sum[t].x + sum[t].y) + (sum[t].z + sum[t].w); }
  for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      for (var t = 0u; t < T; t++) {
        partial[t * 256u + thread] += partial[t * 256u + thread + stride];
      }
    }
  }
  if (lane == 0u && output < n_outputs) {
    for (var t = 0u; t < T; t++) {
      if (row0 + t < n_all) {
        let to = (row0 + t) * site.outputs.w + site.first[which] + output;
        if (ADDS) {
          y[to] = y[to] + partial[t * 256u + thread];
        } else {
          y[to] = partial[t * 256u + thread];
        }
      }
    }
  }
}
