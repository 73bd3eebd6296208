// BF16: word 4 u + j has columns 8 j .. 8 j + 7 of unit u, two to 32 bits.
fn brains_$(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<f32>(a << 16u), bitcast<f32>(a & 0xffff0000u), bitcast<f32>(b << 16u), bitcast<f32>(b & 0xffff0000u));
}
fn load_$(unit: u32, planes: vec4<u32>) -> array<vec4<f32>, 8> {
  let at = 4u * unit;
  let a = w_$[at];
  let b = w_$[at + 1u];
  let c = w_$[at + 2u];
  let d = w_$[at + 3u];
  return array<vec4<f32>, 8>(brains_$(a.x, a.y), brains_$(a.z, a.w), brains_$(b.x, b.y), brains_$(b.z, b.w),
                             brains_$(c.x, c.y), brains_$(c.z, c.w), brains_$(d.x, d.y), brains_$(d.z, d.w));
}
