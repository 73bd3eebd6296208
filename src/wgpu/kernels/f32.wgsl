// F32: word 8 u + j has columns 4 j .. 4 j + 3 of unit u.
fn load_$(unit: u32, planes: vec4<u32>) -> array<vec4<f32>, 8> {
  let at = 8u * unit;
  return array<vec4<f32>, 8>(
      bitcast<vec4<f32>>(w_$[at]), bitcast<vec4<f32>>(w_$[at + 1u]),
      bitcast<vec4<f32>>(w_$[at + 2u]), bitcast<vec4<f32>>(w_$[at + 3u]),
      bitcast<vec4<f32>>(w_$[at + 4u]), bitcast<vec4<f32>>(w_$[at + 5u]),
      bitcast<vec4<f32>>(w_$[at + 6u]), bitcast<vec4<f32>>(w_$[at + 7u]));
}
