// down   of few rows: y = sum_i w_i down_e act[slot], e = ids[slot], in slot order; x = x + y
//   act: [n_row N_USED, 32 UNITS] f32 in planes   y: [n_row, OUTPUTS] f32   x: the same, in planes
//   launch: 256 threads, LANES of them share an output of a choice, CHOICES choices side by side; (outputs / the rest, n_row)
//   shared: 1 KiB and 4 k bytes an output   sum: f32: a choice as product.wgsl, then as combine.wgsl
//   cost: an expert's weights once a choice
struct Site {
  planes: array<vec4<u32>, 4>,
};
@group(1) @binding(0) var<storage, read> act: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;
@group(1) @binding(3) var<storage, read_write> x: array<f32>;
@group(1) @binding(4) var<storage, read> ids: array<u32>;
@group(1) @binding(5) var<storage, read> weights: array<f32>;

const N: u32 = 256u / LANES / CHOICES;  // outputs of a workgroup

//@each z
var<workgroup> partial: array<f32, 256>;
//@end
var<workgroup> of_choice: array<f32, N * N_USED>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let choice0 = thread / LANES % CHOICES;
  let n = thread / LANES / CHOICES;
  let output = min(group.x * N + n, OUTPUTS - 1u);
  let row = group.y;
  for (var first = 0u; first < N_USED; first += CHOICES) {
    let choice = min(first + choice0, N_USED - 1u);
    let slot = row * N_USED + choice;
    let w = (ids[slot] * OUTPUTS + output) * UNITS;
    let at = slot * (8u * UNITS);
    var sum = 0.0;
    for (var unit = lane; unit < UNITS; unit += LANES) {
      let raw = open_0(w + unit, site.planes[0]);
      //@each j
      sum = add_product(part_0(raw, $ju), act[at + UNITS * $ju + unit], sum);
      //@end
    }
    //@each z
    partial[thread] = sum;
    for (var stride = LANES / 2u; stride >= WIDE; stride /= 2u) {
      workgroupBarrier();
      if (lane < stride) { partial[thread] += partial[thread + stride]; }
    }
    workgroupBarrier();
    sum = partial[thread];
    //@end
    sum = fold(sum, min(LANES, WIDE));
    if (lane == 0u) { of_choice[n * N_USED + choice] = sum; }
  }
  workgroupBarrier();
  let o = group.x * N + thread;
  if (thread < N && o < OUTPUTS) {
    var sum = 0.0;
    for (var i = 0u; i < N_USED; i++) { sum = fma(weights[row * N_USED + i], of_choice[thread * N_USED + i], sum); }
    y[row * OUTPUTS + o] = sum;
    let at = row * OUTPUTS + planar(o, OUTPUTS / 32u);
    x[at] = x[at] + sum;
  }
}
