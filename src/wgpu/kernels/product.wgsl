// product   y = W x, or y += W x, of up to three matrices (m) with one input, for T rows (t) of it at a time
//   or, if NORMS: h = x n / sqrt(mean x^2 + eps), y = W h   (what is repeated for n: once, or not at all)
//   x, h: [n_row, COLS] f32 in planes   n: [COLS] the same   W: rows of UNITS units   y: [n_row, y_stride] f32
//   launch: 256 threads, LANES of them share R outputs (r); (outputs / (256 R / LANES), rows / T)   shared: 1 KiB a row
//   sum: f32, fused: LANES sums, each of every LANES-th unit in the order of its columns, then a tree, of which subgroups have
//   the last WIDE and what is repeated for z is the rest, if LANES are more; squares the same way,
//   and y is multiplied by the root at last. A row's bits depend neither on T and R nor on other rows
//   cost: the weights once every T rows; x comes out of the cache, R outputs for each load
struct Site {
  planes: array<vec4<u32>, 3>,  // of each matrix: where its planes begin
  outputs: vec4<u32>,           // rows of the bound parts, then y's stride
  first: vec4<u32>,             // where in a row of y their first goes
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;

const GROUP_OUTPUTS: u32 = 256u / LANES * R;

//@each z
var<workgroup> partial: array<f32, 256u * T>;

fn add_lanes(lane: u32, thread: u32) {
  for (var stride = LANES / 2u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      //@each t
      partial[$tu * 256u + thread] += partial[$tu * 256u + thread + stride];
      //@end
    }
  }
  workgroupBarrier();
}
//@end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let n_all = n_rows_in();
  let row0 = group.y * T;
  // Which matrix: the groups of each follow those of the one before.
  var o_group = group.x;
  var which = 0u;
  for (var m = 0u; m + 1u < N_MATRIX; m++) {
    let n_group = (site.outputs[m] + GROUP_OUTPUTS - 1u) / GROUP_OUTPUTS;
    if (which == m && o_group >= n_group) {
      o_group -= n_group;
      which = m + 1u;
    }
  }
  let output = o_group * GROUP_OUTPUTS + thread / LANES * R;
  let n_outputs = site.outputs[which];
  //@each r
  let w$r = min(output + $ru, n_outputs - 1u) * UNITS;
  //@end
  //@each t
  let at$t = min(row0 + $tu, n_all - 1u) * (COLS / 4u);
  //@each r
  var sum$t_$r = 0.0;
  //@end
  //@each n
  var squares$t = 0.0;
  //@end
  //@end
  //@each m
  if (which == $mu) {
    for (var unit = lane; unit < UNITS; unit += LANES) {
      //@each r
      let raw$r = open_$m(w$r + unit, site.planes[$m]);
      //@end
      //@each j
      {
        //@each r
        let v$r = part_$m(raw$r, $ju);
        //@end
        //@each n
        let n4 = norm[UNITS * $ju + unit];
        //@end
        //@each t
        {
          var x4 = x[at$t + UNITS * $ju + unit];
          //@each n
          squares$t = add_product(x4, x4, squares$t);
          x4 = x4 * n4;
          //@end
          //@each r
          sum$t_$r = add_product(v$r, x4, sum$t_$r);
          //@end
        }
        //@end
      }
      //@end
    }
  }
  //@end
  //@each n
  //@each z
  //@each t
  partial[$tu * 256u + thread] = squares$t;
  //@end
  add_lanes(lane, thread);
  //@each t
  squares$t = partial[$tu * 256u + thread - lane + lane % WIDE];
  //@end
  workgroupBarrier();
  //@end
  //@each t
  let scale$t = 1.0 / sqrt(fold(squares$t, min(LANES, WIDE)) / f32(COLS) + EPS);
  if (group.x == 0u && row0 + $tu < n_all) {
    let to = (row0 + $tu) * (COLS / 4u);
    for (var i = thread; i < COLS / 4u; i += 256u) { h[to + i] = x[to + i] * scale$t * norm[i]; }
  }
  //@end
  //@end
  //@each r
  //@each z
  //@each t
  partial[$tu * 256u + thread] = sum$t_$r;
  //@end
  add_lanes(lane, thread);
  //@each t
  sum$t_$r = partial[$tu * 256u + thread];
  //@end
  //@end
  //@each t
  sum$t_$r = fold(sum$t_$r, min(LANES, WIDE));
  //@end
  if (lane == 0u && output + $ru < n_outputs) {
    let to = site.first[which] + output + $ru;
    //@each t
    if (row0 + $tu < n_all) {
      var value = sum$t_$r;
      //@each n
      value = value * scale$t;
      //@end
      let at = (row0 + $tu) * site.outputs.w + select(to, planar(to, site.outputs.w / 32u), Y_PLANAR);
      if (ADDS) { value = y[at] + value; }
      y[at] = value;
    }
    //@end
  }
  //@end
}
