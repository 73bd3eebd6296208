// combine   y = sum_i w_i slot_out_i, in slot order; x = x + y
//   slot_out: [n_row, N_USED, COLS] f32   weights: [n_row, N_USED] f32   y: [n_row, COLS] f32   x: the same, placed
//   launch: a thread an element; (COLS / 256, n_row)   sum: f32, fused, slot order; the residual is added in f32
@group(1) @binding(0) var<storage, read> slot_out: array<f32>;
@group(1) @binding(1) var<storage, read> weights: array<f32>;
@group(1) @binding(2) var<storage, read_write> y: array<f32>;
@group(1) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= COLS) { return; }
  let row = id.y;
  var sum = 0.0;
  for (var i = 0u; i < N_USED; i++) {
    let slot = row * N_USED + i;
    sum = fma(weights[slot], slot_out[slot * COLS + id.x], sum);
  }
  y[row * COLS + id.x] = sum;
  let at = row * COLS + placed(id.x, COLS / 32u);
  x[at] = x[at] + sum;
}
