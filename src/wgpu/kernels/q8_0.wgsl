// Q8_0: words 2 u, 2 u + 1 have the 32 signed levels of unit u; plane 1 its scale, a half.
struct Raw_$m {
  q: array<vec4<u32>, 2>,
  scale: f32,
};
fn open_$m(unit: u32, planes: vec4<u32>) -> Raw_$m {
  let halves = w_$m[planes.x + unit / 8u][(unit / 2u) % 4u];
  return Raw_$m(array<vec4<u32>, 2>(w_$m[2u * unit], w_$m[2u * unit + 1u]),
                half_value((halves >> (16u * (unit % 2u))) & 0xffffu));
}
fn part_$m(raw: Raw_$m, j: u32) -> vec4<f32> {
  var q = raw.q;
  let bits = bitcast<i32>(q[j / 4u][j % 4u]);
  return raw.scale * vec4<f32>(vec4<i32>(bits << 24u, bits << 16u, bits << 8u, bits) >> vec4<u32>(24u));
}
