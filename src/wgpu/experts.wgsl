// experts   contract: docs/stages.md#experts   mirrors: ref/experts.cc, cpu/experts.cc, cuda/experts.cu
//   y = sum_i w_i down_e(silu(gate_e h) * up_e h), e = ids_i, in slot order; x = x + y
//   h, x, y: [n_row, d_model] f32   gate, up: [n_expert][d_ff, d_model]   down: [n_expert][d_model, d_ff] quantized
//   Here: the products of one expert with those rows that chose it, T (t) at a time, where rows are many and their sums keep
//   one order; kernels/gate.wgsl and down.wgsl are for few rows, tile.wgsl for many. A slot is a row's choice, row * k + i;
//   group.wgsl has listed tiles of slots of one expert.
//   IS_GATE: act[slot] = silu(gate_e h) * up_e h   else: slot_out[slot] = down_e act[slot]; combine.wgsl sums up
//   launch: 256 threads, LANES of them share R outputs (r); (outputs / (256 R / LANES), tiles)   shared: 1 KiB a row of T
//   and matrix (m)   sum: f32, fused: LANES sums, each of every LANES-th unit in the order of its columns, then a tree
//   (product.wgsl: WIDE, z); what is repeated for g: once, or not at all
//   cost: the weights of an expert once every T of its rows
struct Site {
  planes: array<vec4<u32>, 4>,
  experts: vec4<u32>,  // the first expert of the bound parts, and how many they have
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;
@group(1) @binding(3) var<storage, read> tiles: array<u32>;

//@each z
var<workgroup> partial: array<f32, 256u * T * N_MATRIX>;
//@end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let output = (group.x * (256u / LANES) + thread / LANES) * R;
  let tile = group.y;
  if (tile >= tiles[0]) { return; }
  let expert = tiles[4u + 4u * tile];
  let begin = tiles[5u + 4u * tile];
  let n = tiles[6u + 4u * tile];
  if (expert < site.experts.x || expert - site.experts.x >= site.experts.y) { return; }
  let base = (expert - site.experts.x) * OUTPUTS;
  //@each r
  let w$r = (base + min(output + $ru, OUTPUTS - 1u)) * UNITS;
  //@end
  //@each t
  let slot$t = tiles[ORDER_AT + begin + min($tu, n - 1u)];
  let at$t = select(slot$t, slot$t / N_USED, IS_GATE) * (8u * UNITS);
  //@each r
  //@each m
  var sum$m_$t_$r = 0.0;
  //@end
  //@end
  //@end
  for (var unit = lane; unit < UNITS; unit += LANES) {
    //@each m
    //@each r
    let raw$m_$r = open_$m(w$r + unit, site.planes[$m]);
    //@end
    //@end
    //@each j
    {
      //@each m
      //@each r
      let v$m_$r = part_$m(raw$m_$r, $ju);
      //@end
      //@end
      //@each t
      {
        let x4 = x[at$t + UNITS * $ju + unit];
        //@each m
        //@each r
        sum$m_$t_$r = add_product(v$m_$r, x4, sum$m_$t_$r);
        //@end
        //@end
      }
      //@end
    }
    //@end
  }
  //@each r
  //@each z
  //@each m
  //@each t
  partial[($mu * T + $tu) * 256u + thread] = sum$m_$t_$r;
  //@end
  //@end
  for (var stride = LANES / 2u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      for (var i = thread; i < 256u * T * N_MATRIX; i += 256u) { partial[i] += partial[i + stride]; }
    }
  }
  workgroupBarrier();
  //@each m
  //@each t
  sum$m_$t_$r = partial[($mu * T + $tu) * 256u + thread];
  //@end
  //@end
  //@end
  //@each m
  //@each t
  sum$m_$t_$r = fold(sum$m_$t_$r, min(LANES, WIDE));
  //@end
  //@end
  if (lane == 0u && output + $ru < OUTPUTS) {
    //@each t
    if ($tu < n) {
      var value = sum0_$t_$r;
      //@each g
      value = value / (1.0 + exp(-value)) * sum1_$t_$r;
      //@end
      let at = output + $ru;
      y[slot$t * OUTPUTS + select(at, planar(at, OUTPUTS / 32u), IS_GATE)] = value;
    }
    //@end
  }
  //@end
}
