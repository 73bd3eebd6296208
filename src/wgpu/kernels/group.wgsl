// group   lists the slots by expert, and cuts each expert's into tiles of at most T
//   ids: [N_USED n_row] u32   tiles: [0] how many, then at 4 four words a tile: expert, first of the order, how many; at
//   ORDER_AT the order: slots by expert, ascending in each
//   launch: one workgroup of 256 threads, each counting every 256th expert   shared: 8 n_expert bytes
//   cost: reads every id 2 n_expert / 256 times a thread: 100 us at 16,384 slots; for prompts only
@group(1) @binding(0) var<storage, read> ids: array<u32>;
@group(1) @binding(1) var<storage, read_write> tiles: array<u32>;

var<workgroup> begin: array<u32, N_EXPERT + 1u>;
var<workgroup> first_tile: array<u32, N_EXPERT + 1u>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
  let n_slot = n_row() * N_USED;
  for (var e = thread; e < N_EXPERT; e += 256u) {
    var n = 0u;
    for (var i = 0u; i < n_slot; i++) { n += select(0u, 1u, ids[i] == e); }
    begin[e + 1u] = n;
  }
  workgroupBarrier();
  if (thread == 0u) {
    begin[0] = 0u;
    first_tile[0] = 0u;
    for (var e = 0u; e < N_EXPERT; e++) {
      let n = begin[e + 1u];
      first_tile[e + 1u] = first_tile[e] + (n + T - 1u) / T;
      begin[e + 1u] = begin[e] + n;
    }
    tiles[0] = first_tile[N_EXPERT];
  }
  workgroupBarrier();
  for (var e = thread; e < N_EXPERT; e += 256u) {
    var to = begin[e];
    for (var i = 0u; i < n_slot; i++) {
      if (ids[i] == e) {
        tiles[ORDER_AT + to] = i;
        to++;
      }
    }
    for (var at = begin[e]; at < to; at += T) {
      let tile = 4u + 4u * (first_tile[e] + (at - begin[e]) / T);
      tiles[tile] = e;
      tiles[tile + 1u] = at;
      tiles[tile + 2u] = min(T, to - at);
    }
  }
}
