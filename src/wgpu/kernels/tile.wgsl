// tile   y = W x, or y += W x, of many rows; of a step's (step_rows.wgsl), or of those that chose an expert (expert_rows.wgsl)
//   x: rows of COLS f32   W: rows of UNITS units   y: [rows, y_stride] f32, or with IS_GATE silu(W_0 x) * (W_1 x)
//   launch: 256 threads, a tile of 16 T rows (t) by 16 R outputs (r) of each of N_AT_ONCE matrices (m); (outputs, tiles).
//   Which of D matrices (d): the groups of each follow those of the one before
//   shared: 2 KiB T + 2 KiB R N_AT_ONCE: 32 columns of the tile's x and W, W dequantized once for all of its rows. Word q of
//   line i lies at q ^ (i % 8), so that neither eight neighbours that write a line nor eight that read down a column meet
//   sum: f32, fused, columns in order. A row's bits depend on nothing but the row, and differ from product.wgsl's
//   cost: 4 (T + R) words of shared memory for 16 T R multiply-adds
struct Site {
  planes: array<vec4<u32>, 3>,
  outputs: vec4<u32>,
  first: vec4<u32>,
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;

const M: u32 = 16u * T;  // rows of the tile
const N: u32 = 16u * R;  // outputs of the tile, of each matrix

var<workgroup> xs: array<vec4<f32>, 8u * M>;
var<workgroup> ws: array<vec4<f32>, 8u * N * N_AT_ONCE>;

struct Columns {
  low: vec4<f32>,
  high: vec4<f32>,
};

// Columns 8 q .. 8 q + 7 of a unit.
fn weights_of(which: u32, unit: u32, q: u32) -> Columns {
  //@each d
  if (which == $du) {
    let raw = open_$d(unit, site.planes[$d]);
    return Columns(part_$d(raw, 2u * q), part_$d(raw, 2u * q + 1u));
  }
  //@end
  return Columns(vec4<f32>(0.0), vec4<f32>(0.0));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let n_row = tile_size(group.y);
  if (n_row == 0u) { return; }
  var o_group = group.x;
  var which = 0u;
  if (N_AT_ONCE == 1u) {
    for (var d = 0u; d + 1u < D; d++) {
      let n_group = (site.outputs[d] + N - 1u) / N;
      if (which == d && o_group >= n_group) {
        o_group -= n_group;
        which = d + 1u;
      }
    }
  }
  let n_output = n_outputs(which);
  let output0 = o_group * N;
  // A warp's threads have four rows and eight outputs.
  let tn = thread % 8u + 8u * ((thread / 32u) % 2u);
  let tm = (thread % 32u) / 8u + 4u * (thread / 64u);
  let line = thread / 8u;
  let word = thread % 8u;
  //@each a
  let from$a = row_from(group.y, min(line + 32u * $au, n_row - 1u)) * (8u * UNITS) + word;
  //@end
  //@each t
  //@each m
  //@each r
  var sum$m_$t_$r = 0.0;
  //@end
  //@end
  //@end
  let first_weight = weight_row(group.y);
  for (var unit = 0u; unit < UNITS; unit++) {
    //@each a
    if (line + 32u * $au < M) { xs[8u * (line + 32u * $au) + (word ^ (line % 8u))] = x[from$a + 8u * unit]; }
    //@end
    for (var i = thread; i < 4u * N * N_AT_ONCE; i += 256u) {
      let n = i / 4u;
      let q = i % 4u;
      let row = first_weight + min(output0 + n % N, n_output - 1u);
      let both = weights_of(which + n / N, row * UNITS + unit, q);
      ws[8u * n + ((2u * q) ^ (n % 8u))] = both.low;
      ws[8u * n + ((2u * q + 1u) ^ (n % 8u))] = both.high;
    }
    workgroupBarrier();
    for (var q = 0u; q < 8u; q++) {
      let at_w = 8u * tn + (q ^ (tn % 8u));
      let at_x = 8u * tm + (q ^ (tm % 8u));
      //@each m
      //@each r
      let v$m_$r = ws[at_w + 8u * (N * $mu + 16u * $ru)];
      //@end
      //@end
      //@each t
      {
        let x4 = xs[at_x + 128u * $tu];
        //@each m
        //@each r
        sum$m_$t_$r = add_product(v$m_$r, x4, sum$m_$t_$r);
        //@end
        //@end
      }
      //@end
    }
    workgroupBarrier();
  }
  //@each t
  if (tm + 16u * $tu < n_row) {
    let to = row_to(group.y, tm + 16u * $tu) * y_stride() + y_first(which) + output0;
    //@each r
    if (output0 + tn + 16u * $ru < n_output) {
      var value = sum0_$t_$r;
      //@each g
      value = value / (1.0 + exp(-value)) * sum1_$t_$r;
      //@end
      if (ADDS) { value = y[to + tn + 16u * $ru] + value; }
      y[to + tn + 16u * $ru] = value;
    }
    //@end
  }
  //@end
}
