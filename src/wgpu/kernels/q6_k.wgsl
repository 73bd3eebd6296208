// Q6_K: word u has the low four bits of the 32 levels of unit u, as Q4_K has its levels. Plane 1, half a word a unit: the
// two high bits, byte b of its part p those of columns 16 p + 4 f + b at bit 2 f. Plane 2, a word a block of 8 units: 16
// signed scales, one to 16 columns. Plane 3: d of each block, a half.
struct Raw_$m {
  q: vec4<u32>,
  h: vec2<u32>,
  steps: vec2<f32>,
};
fn open_$m(unit: u32, planes: vec4<u32>) -> Raw_$m {
  let both = w_$m[planes.x + unit / 2u];
  let block = unit / 8u;
  let halves = w_$m[planes.z + block / 8u][(block / 2u) % 4u];
  let d = half_value((halves >> (16u * (block % 2u))) & 0xffffu);
  let scales = bitcast<i32>(w_$m[planes.y + block][(unit % 8u) / 2u] << (16u * (1u - unit % 2u)));
  return Raw_$m(w_$m[unit], select(both.xy, both.zw, unit % 2u == 1u),
                d * vec2<f32>(f32((scales << 8u) >> 24u), f32(scales >> 24u)));
}
fn part_$m(raw: Raw_$m, j: u32) -> vec4<f32> {
  let low = (raw.q[j / 2u] >> (4u * (j % 2u))) & 0x0f0f0f0fu;
  let high = (raw.h[j / 4u] >> (2u * (j % 4u))) & 0x03030303u;
  return raw.steps[j / 4u] * (vec4<f32>(unpack4xU8(low | (high << 4u))) - vec4<f32>(32.0));
}
