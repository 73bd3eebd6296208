// Q6_K: word u has the low four bits of the 32 levels of unit u, as Q4_K has its levels. Plane 1, half a word a unit: the
// two high bits, byte b of its part p those of columns 16 p + 4 f + b at bit 2 f. Plane 2, a word a block of 8 units: 16
// signed scales, one to 16 columns. Plane 3: d of each block, a half.
fn levels_$(low: u32, high: u32, step: f32) -> vec4<f32> {
  let shifts = vec4<u32>(0u, 8u, 16u, 24u);
  let level = ((vec4<u32>(low) >> shifts) & vec4<u32>(15u)) | (((vec4<u32>(high) >> shifts) & vec4<u32>(3u)) << vec4<u32>(4u));
  return step * (vec4<f32>(level) - vec4<f32>(32.0));
}
fn load_$(unit: u32, planes: vec4<u32>) -> array<vec4<f32>, 8> {
  let q = w_$[unit];
  let both = w_$[planes.x + unit / 2u];
  let h = select(both.xy, both.zw, unit % 2u == 1u);
  let block = unit / 8u;
  let halves = w_$[planes.z + block / 8u][(block / 2u) % 4u];
  let d = half_value((halves >> (16u * (block % 2u))) & 0xffffu);
  let scales = bitcast<i32>(w_$[planes.y + block][(unit % 8u) / 2u] << (16u * (1u - unit % 2u)));
  let a = d * f32((scales << 8u) >> 24u);
  let b = d * f32(scales >> 24u);
  return array<vec4<f32>, 8>(levels_$(q.x, h.x, a), levels_$(q.x >> 4u, h.x >> 2u, a),
                             levels_$(q.y, h.x >> 4u, a), levels_$(q.y >> 4u, h.x >> 6u, a),
                             levels_$(q.z, h.y, b), levels_$(q.z >> 4u, h.y >> 2u, b),
                             levels_$(q.w, h.y >> 4u, b), levels_$(q.w >> 4u, h.y >> 6u, b));
}
