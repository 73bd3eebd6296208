// Tiles of the slots that group.wgsl listed by expert, for tile.wgsl. A slot is a row's choice, row * k + i; site.first: the
// first expert of the bound parts, and how many they have.
@group(1) @binding(3) var<storage, read> tiles: array<u32>;

fn tile_size(tile: u32) -> u32 {
  if (tile >= tiles[0]) { return 0u; }
  return select(0u, tiles[6u + 4u * tile], tiles[4u + 4u * tile] - site.first.x < site.first.y);
}
fn row_to(tile: u32, i: u32) -> u32 { return tiles[ORDER_AT + tiles[5u + 4u * tile] + i]; }
fn row_from(tile: u32, i: u32) -> u32 { return row_to(tile, i) / SLOTS_A_ROW; }
fn weight_row(tile: u32) -> u32 { return (tiles[4u + 4u * tile] - site.first.x) * OUTPUTS; }
fn n_outputs(which: u32) -> u32 { return OUTPUTS; }
fn y_stride() -> u32 { return OUTPUTS; }
fn y_first(which: u32) -> u32 { return 0u; }
