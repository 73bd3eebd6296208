// subgroups   the last strides of a tree of sums, where the adapter has subgroups of at least WIDE lanes; else single.wgsl
//   Of n <= WIDE neighbours, n a power of two, whose first is at a multiple of n: what all of them hold together, to each.
//   The strides and so the bits are those of the tree in shared memory, whatever size a subgroup has.
fn fold(value: f32, n: u32) -> f32 {
  var sum = value;
  for (var stride = n / 2u; stride > 0u; stride /= 2u) { sum += subgroupShuffleXor(sum, stride); }
  return sum;
}
fn fold_largest(value: f32, n: u32) -> f32 {
  var largest = value;
  for (var stride = n / 2u; stride > 0u; stride /= 2u) { largest = max(largest, subgroupShuffleXor(largest, stride)); }
  return largest;
}
// Of four: (a + b) + (c + d).
fn fold_four(value: f32) -> f32 {
  let both = value + subgroupShuffleXor(value, 1u);
  return both + subgroupShuffleXor(both, 2u);
}
