// F16: word 4 u + j has columns 8 j .. 8 j + 7 of unit u, two to 32 bits.
fn halves_$(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(half_value(a & 0xffffu), half_value(a >> 16u), half_value(b & 0xffffu), half_value(b >> 16u));
}
fn load_$(unit: u32, planes: vec4<u32>) -> array<vec4<f32>, 8> {
  let at = 4u * unit;
  let a = w_$[at];
  let b = w_$[at + 1u];
  let c = w_$[at + 2u];
  let d = w_$[at + 3u];
  return array<vec4<f32>, 8>(halves_$(a.x, a.y), halves_$(a.z, a.w), halves_$(b.x, b.y), halves_$(b.z, b.w),
                             halves_$(c.x, c.y), halves_$(c.z, c.w), halves_$(d.x, d.y), halves_$(d.z, d.w));
}
