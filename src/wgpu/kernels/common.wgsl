// What all kernels share: the step's input, and sums over a workgroup. `const`s in capitals that are declared nowhere in
// these files are written in front of them when a kernel is made (stages.cc), which also repeats what stands between
// `//@each i` and `//@end` with $i = 0, 1, ...: no driver has to unroll a loop to keep an array in registers.

// Word 0 on: the counts and places below, then the arrays. input.h says the same in C++.
@group(0) @binding(0) var<storage, read> step_input: array<u32>;

fn n_row() -> u32 { return step_input[0]; }
fn n_output() -> u32 { return step_input[1]; }
fn page_stride() -> u32 { return step_input[2]; }
fn token_of(row: u32) -> i32 { return bitcast<i32>(step_input[step_input[3] + row]); }
fn position_of(row: u32) -> u32 { return step_input[step_input[4] + row]; }
fn slot_of(row: u32) -> u32 { return step_input[step_input[5] + row]; }
fn output_row(output: u32) -> u32 { return step_input[step_input[7] + output]; }
// Whether the output's token becomes its sequence's last.
fn samples(output: u32) -> bool { return step_input[step_input[10] + output] != 0u; }
// Blocks of 64 positions in the longest sequence.
fn n_block() -> u32 { return step_input[11]; }
// A tile of attn_tile.wgsl: the first row of its sequence in the step, how many rows that has, the tile's first query.
fn attn_tile(tile: u32) -> vec3<u32> {
  let at = step_input[12] + 3u * tile;
  return vec3<u32>(step_input[at], step_input[at + 1u], step_input[at + 2u]);
}
// The page that holds a position of the row's sequence.
fn page_of(row: u32, position: u32) -> u32 {
  let sequence = step_input[step_input[6] + row];
  return step_input[step_input[8] + sequence * page_stride() + position / 64u];
}
// Cosine and sine of dimension i < d_head / 2 at the row's position.
fn rotation(row: u32, half_head: u32, i: u32) -> vec2<f32> {
  let at = step_input[9] + 2u * (row * half_head + i);
  return vec2<f32>(bitcast<f32>(step_input[at]), bitcast<f32>(step_input[at + 1u]));
}

// Where a column lies in a row of so many units. Rows that product.wgsl and its like sum lie in planes, the first four columns
// of every unit, then the next four: its neighbours take neighbouring units, and so read words side by side. In a step of
// tiles they lie as they come.
fn planar(column: u32, units: u32) -> u32 { return 4u * ((column / 4u) % 8u * units + column / 32u) + column % 4u; }
fn placed(column: u32, units: u32) -> u32 { return select(column, planar(column, units), IS_PLANAR); }

// A half's value with its denormals, which a GPU may flush in unpack2x16float.
fn half_value(bits: u32) -> f32 {
  let sign = (bits & 0x8000u) << 16u;
  let magnitude = bits & 0x7fffu;
  let small = bitcast<u32>(f32(magnitude) * 5.9604644775390625e-8);
  let large = (magnitude << 13u) + select(0x38000000u, 0x70000000u, magnitude >= 0x7c00u);
  return bitcast<f32>(sign | select(large, small, magnitude < 0x400u));
}

// Larger keys for larger values; a NaN has that of minus infinity.
fn order_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  let key = select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u && bits != 0x80000000u);  // -0 is 0
  return select(key, 0x007fffffu, is_nan);
}

// Of two pairs of key and id the one with the larger key, or the lower id.
fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

// Four columns more of a row's product with a matrix.
fn add_product(w: vec4<f32>, x: vec4<f32>, sum: f32) -> f32 {
  return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum))));
}
