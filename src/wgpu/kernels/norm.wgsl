// norm   y = x * w / sqrt(mean x^2 + eps), of every row or of those that have an output
//   x: [n_row, COLS] f32, placed   w: [COLS] f32   y: [rows, COLS] f32, in planes or not
//   launch: 256 threads a row   shared: 1 KiB   sum: f32, 256 sums of every 256th element, then a tree
@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read> norm: array<f32>;
@group(1) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let to = group.x * COLS;
  let source = select(group.x, output_row(group.x), OF_OUTPUTS) * COLS;
  var sum = 0.0;
  for (var i = thread; i < COLS; i += 256u) { sum = fma(x[source + i], x[source + i], sum); }
  partial[thread] = sum;
  for (var stride = 128u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (thread < stride) { partial[thread] += partial[thread + stride]; }
  }
  workgroupBarrier();
  let scale = 1.0 / sqrt(fold(partial[thread % WIDE], WIDE) / f32(COLS) + EPS);
  for (var i = thread; i < COLS; i += 256u) {
    let value = x[source + placed(i, COLS / 32u)] * scale * norm[i];
    y[to + select(i, planar(i, COLS / 32u), TO_PLANAR)] = value;
  }
}
