// Tiles of a step's rows, for tile.wgsl: the rows of x and y are the same.
fn tile_size(tile: u32) -> u32 { return min(M, n_rows_in() - min(n_rows_in(), tile * M)); }
fn row_from(tile: u32, i: u32) -> u32 { return tile * M + i; }
fn row_to(tile: u32, i: u32) -> u32 { return tile * M + i; }
fn weight_row(tile: u32) -> u32 { return 0u; }
fn n_outputs(which: u32) -> u32 { return site.outputs[which]; }
fn y_stride() -> u32 { return site.outputs.w; }
fn y_first(which: u32) -> u32 { return site.first[which]; }
