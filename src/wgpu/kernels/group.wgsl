// group   lists the slots by expert, and cuts each expert's into tiles of at most T
//   ids: [N_USED n_row] u32   tiles: [0] how many, then at 4 four words a tile: expert, first of the order, how many; at
//   ORDER_AT the order: slots by expert, in any order in each: no row's bits depend on its neighbours
//   launch: one workgroup of 256 threads   shared: 12 n_expert bytes
@group(1) @binding(0) var<storage, read> ids: array<u32>;
@group(1) @binding(1) var<storage, read_write> tiles: array<u32>;

var<workgroup> next: array<atomic<u32>, N_EXPERT>;  // how many; then where its next slot goes
var<workgroup> begin: array<u32, N_EXPERT>;
var<workgroup> first_tile: array<u32, N_EXPERT>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
  let n_slot = n_row() * N_USED;
  for (var e = thread; e < N_EXPERT; e += 256u) { atomicStore(&next[e], 0u); }
  workgroupBarrier();
  for (var i = thread; i < n_slot; i += 256u) { atomicAdd(&next[ids[i]], 1u); }
  workgroupBarrier();
  if (thread == 0u) {
    var n = 0u;
    var n_tile = 0u;
    for (var e = 0u; e < N_EXPERT; e++) {
      begin[e] = n;
      first_tile[e] = n_tile;
      let mine = atomicLoad(&next[e]);
      n += mine;
      n_tile += (mine + T - 1u) / T;
    }
    tiles[0] = n_tile;
  }
  workgroupBarrier();
  for (var e = thread; e < N_EXPERT; e += 256u) {
    let end = begin[e] + atomicLoad(&next[e]);
    var tile = 4u + 4u * first_tile[e];
    for (var at = begin[e]; at < end; at += T) {
      tiles[tile] = e;
      tiles[tile + 1u] = at;
      tiles[tile + 2u] = min(T, end - at);
      tile += 4u;
    }
    atomicStore(&next[e], begin[e]);
  }
  workgroupBarrier();
  for (var i = thread; i < n_slot; i += 256u) { tiles[ORDER_AT + atomicAdd(&next[ids[i]], 1u)] = i; }
}
