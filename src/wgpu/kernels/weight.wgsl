// weight   a token's weight, as backend/sampling_weight.h has it: integers of 64 bits as two words, the low one first
fn mul_wide(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle = a1 * b0 + ((a0 * b0) >> 16u);
  return vec2<u32>(a * b, a1 * b1 + (middle >> 16u) + ((a0 * b1 + (middle & 0xffffu)) >> 16u));
}
fn mul_high(a: u32, b: u32) -> u32 { return mul_wide(a, b).y; }
fn add_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn less_wide(a: vec2<u32>, b: vec2<u32>) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }
// a - b, of a >= b.
fn rest_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}
// The high half of the product.
fn high_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let middle = add_wide(mul_wide(a.y, b.x), vec2<u32>(mul_high(a.x, b.x), 0u));
  let other = add_wide(mul_wide(a.x, b.y), vec2<u32>(middle.x, 0u));
  return add_wide(mul_wide(a.y, b.y), add_wide(vec2<u32>(middle.y, 0u), vec2<u32>(other.y, 0u)));
}
// share * sum / 2^32, rounded up.
fn part_of(sum: vec2<u32>, share: u32) -> vec2<u32> {
  let low = add_wide(mul_wide(sum.x, share), vec2<u32>(0xffffffffu, 0u));
  return add_wide(mul_wide(sum.y, share), vec2<u32>(low.y, 0u));
}

fn exp2_minus(fraction: u32) -> u32 {
  let x = fraction << 8u;
  var t = 0x53b871u - mul_high(0x7346cu, x);
  t = 0x273fae0u - mul_high(t, x);
  t = 0xe34be42u - mul_high(t, x);
  t = 0x3d7f5ddeu - mul_high(t, x);
  t = 0xb1721670u - mul_high(t, x);
  return 0x80000000u - mul_high(t, x >> 1u);
}
fn weight_at(exponent: u32) -> vec2<u32> {
  let whole = exponent >> 24u;
  let power = exp2_minus(exponent & 0xffffffu);
  // power << 9 >> whole
  if (whole > 40u) { return vec2<u32>(0u, 0u); }
  if (whole > 9u) { return vec2<u32>(power >> (whole - 9u), 0u); }
  let left = 9u - whole;
  return vec2<u32>(power << left, (power >> 1u) >> (31u - left));
}

// The logit that a key is of.
fn key_value(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u)); }

const KEY_OF_NOTHING: u32 = 0x007fffffu;  // minus infinity; less: forbidden
const KEY_OF_INFINITY: u32 = 0xff800000u;

// Of keys, with tests of bits where infinities are about: a compiler may take it that there are none.
fn weight_of(key: u32, largest: u32, scale: f32) -> vec2<u32> {
  if (key == largest) { return vec2<u32>(0u, 256u); }
  if (key <= KEY_OF_NOTHING || largest >= KEY_OF_INFINITY) { return vec2<u32>(0u, 0u); }
  let distance = key_value(largest) - key_value(key);
  let exponent = distance * scale;
  if (bitcast<u32>(distance) >= 0x7f800000u || bitcast<u32>(exponent) >= 0x4f000000u) { return vec2<u32>(0u, 0u); }
  return weight_at(u32(exponent));
}
