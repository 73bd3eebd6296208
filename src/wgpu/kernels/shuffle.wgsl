// shuffle   whether neighbours find each other: for each stride 1, 2, 4, ... of seven, how many threads of 256 did not get
//   the number of the thread that is so far away from them. subgroups.cc goes by it
//   missed: [7] u32   launch: 256 threads, any number of workgroups
@group(1) @binding(0) var<storage, read_write> missed: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(subgroup_size) size: u32) {
  for (var i = 0u; i < 7u; i++) {
    // Beyond a subgroup anything may come back, what was looked for among it.
    let stride = 1u << i;
    let other = subgroupShuffleXor(thread, select(0u, stride, stride < size));
    if (stride >= size || other != (thread ^ stride)) { atomicAdd(&missed[i], 1u); }
  }
}
