// single   subgroups.wgsl for adapters without: WIDE is 1, and the tree in shared memory goes to its end
fn fold(value: f32, n: u32) -> f32 { return value; }
fn fold_largest(value: f32, n: u32) -> f32 { return value; }
