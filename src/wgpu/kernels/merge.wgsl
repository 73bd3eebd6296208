// merge   folds the blocks of attn.wgsl in order, as it does by itself where rows are many
//   blocks: [n_row, N_HEAD, blocks] of o: [D_HEAD], then m, l and two words   a: [n_row, N_HEAD D_HEAD] f32, placed
//   launch: 256 threads, a quarter of d_head of them at work; (n_head, n_row)   sum: f32, in order
@group(1) @binding(0) var<storage, read> blocks: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> a: array<vec4<f32>>;

const WORDS: u32 = D_HEAD / 4u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (thread >= WORDS) { return; }
  let row = group.y;
  let n = (position_of(row) + 64u) / 64u;
  let base = (row * N_HEAD + group.x) * n_block() * (WORDS + 1u);
  var largest = -3.0e38;
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var block = 0u; block < n; block++) {
    let o = blocks[base + block * (WORDS + 1u) + thread];
    let both = blocks[base + block * (WORDS + 1u) + WORDS];
    let next = max(largest, both.x);
    let old = exp(largest - next);
    let new_ = exp(both.x - next);
    total = fma(total, old, both.y * new_);
    sum = fma(sum, vec4<f32>(old), o * new_);
    largest = next;
  }
  a[row * N_HEAD * WORDS + placed(group.x * D_HEAD + 4u * thread, N_HEAD * D_HEAD / 32u) / 4u] = sum / total;
}
