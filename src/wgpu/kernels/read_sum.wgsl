// read_sum   s = sum of the words of a buffer, by each thread for itself, which is told only if it is 1: reading is what
//   takes the time. bandwidth.cc binds `data`, READS is how many times eight words of 16 bytes a thread has
//   launch: 256 threads; GROUPS of them   sum: u32   cost: reads the buffer once
@group(1) @binding(1) var<storage, read_write> sink: array<u32>;

const STRIDE: u32 = 256u * GROUPS;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var total = vec4<u32>(0u);
  var at = id.x;
  for (var i = 0u; i < READS; i++) {
    let a = data[at];
    let b = data[at + STRIDE];
    let c = data[at + 2u * STRIDE];
    let d = data[at + 3u * STRIDE];
    let e = data[at + 4u * STRIDE];
    let f = data[at + 5u * STRIDE];
    let g = data[at + 6u * STRIDE];
    let h = data[at + 7u * STRIDE];
    total += ((a + b) + (c + d)) + ((e + f) + (g + h));
    at += 8u * STRIDE;
  }
  let sum = total.x + total.y + total.z + total.w;
  if (sum == 1u) { sink[0] = sum; }
}
