// Q8_0: words 2 u, 2 u + 1 have the 32 signed levels of unit u; plane 1 its scale, a half.
fn levels_$(word: u32, scale: f32) -> vec4<f32> {
  let bits = bitcast<i32>(word);
  return scale * vec4<f32>(vec4<i32>(bits << 24u, bits << 16u, bits << 8u, bits) >> vec4<u32>(24u));
}
fn load_$(unit: u32, planes: vec4<u32>) -> array<vec4<f32>, 8> {
  let a = w_$[2u * unit];
  let b = w_$[2u * unit + 1u];
  let halves = w_$[planes.x + unit / 8u][(unit / 2u) % 4u];
  let scale = half_value((halves >> (16u * (unit % 2u))) & 0xffffu);
  return array<vec4<f32>, 8>(levels_$(a.x, scale), levels_$(a.y, scale), levels_$(a.z, scale), levels_$(a.w, scale),
                             levels_$(b.x, scale), levels_$(b.y, scale), levels_$(b.z, scale), levels_$(b.w, scale));
}
