// multiply   x = x / 2 + a, fused, eight sums of four a thread, told only if they are what they never are: arithmetic is what takes
//   the time. arithmetic.cc binds `data`, which holds a and 1/2: numbers of which the compiler knows nothing
//   launch: 256 threads   sum: f32   cost: ROUNDS of 64 multiply-adds a thread
@group(1) @binding(0) var<storage, read> data: array<f32>;
@group(1) @binding(1) var<storage, read_write> sink: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let a = vec4<f32>(data[0]);
  let half = vec4<f32>(data[1]);
  var s = vec4<f32>(f32(id.x & 255u)) + vec4<f32>(0.0, 0.25, 0.5, 0.75);
  var t = s + 1.0;
  var u = s + 2.0;
  var v = s + 3.0;
  var w = s + 4.0;
  var x = s + 5.0;
  var y = s + 6.0;
  var z = s + 7.0;
  for (var i = 0u; i < ROUNDS; i++) {
    s = fma(s, half, a);
    t = fma(t, half, a);
    u = fma(u, half, a);
    v = fma(v, half, a);
    w = fma(w, half, a);
    x = fma(x, half, a);
    y = fma(y, half, a);
    z = fma(z, half, a);
    s = fma(s, half, a);
    t = fma(t, half, a);
    u = fma(u, half, a);
    v = fma(v, half, a);
    w = fma(w, half, a);
    x = fma(x, half, a);
    y = fma(y, half, a);
    z = fma(z, half, a);
  }
  let all = ((s + t) + (u + v)) + ((w + x) + (y + z));
  let sum = all.x + all.y + all.z + all.w;
  if (sum == 1.0) { sink[0] = sum; }
}
