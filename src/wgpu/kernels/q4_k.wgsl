// Q4_K: word u has the 32 levels of unit u, byte b of its part p those of columns 8 p + b (low nibble) and 8 p + 4 + b.
// Plane 1, a word a block of 8 units: d and dmin; in byte s of the next two the scale and the minimum's two low bits of
// unit s; in nibble s of the last the minimum's four others.
struct Raw_$m {
  q: vec4<u32>,
  step: f32,
  low: f32,
};
fn open_$m(unit: u32, planes: vec4<u32>) -> Raw_$m {
  let header = w_$m[planes.x + unit / 8u];
  let s = unit % 8u;
  let packed = (select(header.y, header.z, s >= 4u) >> (8u * (s % 4u))) & 255u;
  let minimum = (packed >> 6u) | (((header.w >> (4u * s)) & 15u) << 2u);
  return Raw_$m(w_$m[unit], half_value(header.x & 0xffffu) * f32(packed & 63u),
                half_value(header.x >> 16u) * f32(minimum));
}
fn part_$m(raw: Raw_$m, j: u32) -> vec4<f32> {
  let level = vec4<f32>(unpack4xU8((raw.q[j / 2u] >> (4u * (j % 2u))) & 0x0f0f0f0fu));
  return fma(level, vec4<f32>(raw.step), vec4<f32>(-raw.low));
}
