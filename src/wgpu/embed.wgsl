// embed   contract: docs/stages.md#embed   mirrors: ref/embed.cc, cpu/embed.cc, cuda/embed.cu
//   x = token_embd[token]
//   token: [n_row] i32   token_embd: [n_vocab, d_model] quantized   x: [n_row, d_model] f32
//   launch: a thread for each 32 columns of a row   sum: none
@group(1) @binding(0) var<storage, read> last_token: array<i32>;
@group(1) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
struct Site {
  planes: vec4<u32>,
  rows: vec4<u32>,  // the first token of the bound part, and how many it has
};
@group(1) @binding(2) var<uniform> site: Site;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.y;
  let unit = id.x;
  if (unit >= UNITS) { return; }
  var token = token_of(row);
  if (token < 0) { token = last_token[slot_of(row)]; }
  let in_part = u32(token) - site.rows.x;
  if (u32(token) < site.rows.x || in_part >= site.rows.y) { return; }
  let raw = open_0(in_part * UNITS + unit, site.planes);
  let to = row * UNITS * 8u;
  //@each j
  x[to + placed(32u * unit + 4u * $ju, UNITS) / 4u] = part_0(raw, $ju);
  //@end
}
