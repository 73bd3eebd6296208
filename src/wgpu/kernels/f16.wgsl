// F16: word 4 u + j / 2 has columns 4 j .. 4 j + 3 of unit u in its half j % 2, two to 32 bits.
fn open_$m(unit: u32, planes: vec4<u32>) -> u32 { return 4u * unit; }
fn part_$m(at: u32, j: u32) -> vec4<f32> {
  let word = w_$m[at + j / 2u];
  let both = select(word.xy, word.zw, j % 2u == 1u);
  return vec4<f32>(half_value(both.x & 0xffffu), half_value(both.x >> 16u), half_value(both.y & 0xffffu), half_value(both.y >> 16u));
}
