// F32: word 8 u + j has columns 4 j .. 4 j + 3 of unit u.
fn open_$m(unit: u32, planes: vec4<u32>) -> u32 { return 8u * unit; }
fn part_$m(at: u32, j: u32) -> vec4<f32> { return bitcast<vec4<f32>>(w_$m[at + j]); }
