// gate   of few rows, each choice by itself: ids, w as route.wgsl has them; act[slot] = silu(gate_e h) * up_e h, e = ids[slot]
//   logits: [n_row, N_EXPERT]   h: [n_row, 32 UNITS] f32 in planes   act: [n_row N_USED, OUTPUTS] f32 in planes
//   launch: 256 threads, LANES of them share R outputs (r) of both matrices (m); (outputs / (256 R / LANES), n_row N_USED).
//   Each ranks its row's experts by itself, and the first of a row tells ids and w to down.wgsl and the taps
//   shared: 2 KiB R and 4 n_expert + 4 k bytes   sum: f32, as product.wgsl
//   cost: an expert's weights once a choice; what two choices share comes out of the cache
struct Site {
  planes: array<vec4<u32>, 4>,
  experts: vec4<u32>,  // the first expert of the bound parts, and how many they have
};
@group(1) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(2) var<uniform> site: Site;
@group(1) @binding(3) var<storage, read> logits: array<f32>;
@group(1) @binding(4) var<storage, read_write> ids: array<u32>;
@group(1) @binding(5) var<storage, read_write> weights: array<f32>;

const KEYS: u32 = (N_EXPERT + 3u) / 4u;

var<workgroup> key: array<vec4<u32>, KEYS>;
var<workgroup> chosen: array<u32, N_USED>;
//@each z
var<workgroup> partial: array<f32, 512u * R>;
//@end

fn key_of(row: u32, e: u32) -> u32 {
  if (e >= N_EXPERT) { return 0u; }
  let logit = logits[row * N_EXPERT + e];
  return select(order_key(logit), 0u, (bitcast<u32>(logit) & 0x7fffffffu) > 0x7f800000u);
}

fn choose(row: u32, thread: u32, tells: bool) {
  for (var i = thread; i < KEYS; i += 256u) {
    key[i] = vec4<u32>(key_of(row, 4u * i), key_of(row, 4u * i + 1u), key_of(row, 4u * i + 2u), key_of(row, 4u * i + 3u));
  }
  workgroupBarrier();
  for (var e = thread; e < N_EXPERT; e += 256u) {
    // Those in words before its own are first if they are as large, those behind only if they are larger.
    let mine = vec4<u32>(key[e / 4u][e % 4u]);
    var before = vec4<u32>(0u);
    for (var i = 0u; i < e / 4u; i++) { before += select(vec4<u32>(0u), vec4<u32>(1u), key[i] >= mine); }
    for (var i = e / 4u + 1u; i < KEYS; i++) { before += select(vec4<u32>(0u), vec4<u32>(1u), key[i] > mine); }
    let lower = vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(e % 4u);
    let own = key[e / 4u];
    before += select(vec4<u32>(0u), vec4<u32>(1u), (own > mine) | ((own == mine) & lower));
    let rank = before.x + before.y + before.z + before.w;
    if (rank < N_USED) { chosen[rank] = e; }
  }
  workgroupBarrier();
  if (!tells || thread != 0u) { return; }
  var total = 0.0;
  let best = logits[row * N_EXPERT + chosen[0]];
  for (var i = 0u; i < N_USED; i++) {
    let p = exp(logits[row * N_EXPERT + chosen[i]] - best);
    ids[row * N_USED + i] = chosen[i];
    weights[row * N_USED + i] = p;
    total += p;
  }
  for (var i = 0u; i < N_USED; i++) { weights[row * N_USED + i] = weights[row * N_USED + i] / total; }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let output = (group.x * (256u / LANES) + thread / LANES) * R;
  let slot = group.y;
  let row = slot / N_USED;
  choose(row, thread, group.x == 0u && slot % N_USED == 0u);
  let expert = workgroupUniformLoad(&chosen[slot % N_USED]);
  if (expert < site.experts.x || expert - site.experts.x >= site.experts.y) { return; }
  let base = (expert - site.experts.x) * OUTPUTS;
  let at = row * (8u * UNITS);
  //@each r
  let w$r = (base + min(output + $ru, OUTPUTS - 1u)) * UNITS;
  //@each m
  var sum$m_$r = 0.0;
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
      let x4 = x[at + UNITS * $ju + unit];
      //@each m
      //@each r
      sum$m_$r = add_product(part_$m(raw$m_$r, $ju), x4, sum$m_$r);
      //@end
      //@end
    }
    //@end
  }
  //@each z
  //@each m
  //@each r
  partial[(2u * $ru + $mu) * 256u + thread] = sum$m_$r;
  //@end
  //@end
  for (var stride = LANES / 2u; stride >= WIDE; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      for (var i = thread; i < 512u * R; i += 256u) { partial[i] += partial[i + stride]; }
    }
  }
  workgroupBarrier();
  //@each m
  //@each r
  sum$m_$r = partial[(2u * $ru + $mu) * 256u + thread];
  //@end
  //@end
  //@end
  //@each m
  //@each r
  sum$m_$r = fold(sum$m_$r, min(LANES, WIDE));
  //@end
  //@end
  //@each r
  if (lane == 0u && output + $ru < OUTPUTS) {
    y[slot * OUTPUTS + planar(output + $ru, OUTPUTS / 32u)] = sum0_$r / (1.0 + exp(-sum0_$r)) * sum1_$r;
  }
  //@end
}
