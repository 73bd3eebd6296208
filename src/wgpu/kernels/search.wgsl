// search   the places that a view keeps, found digit by digit of 10 bits, from the most probable down: first by how many there
//   are to be (search 0), then by what they have to weigh (search 1). All of a digit's counts and weights were added before.
//   shared: 3 KiB
struct Search {
  prefix: vec2<u32>,  // the digits found so far, and what is kept of them at last: places up to and with this one
  goal: vec2<u32>,    // how many are to be kept, or their weight, of those with the prefix
  weight: vec2<u32>,  // of all before them; at last of all that are kept
  is_done: u32,
}
var<workgroup> counts: array<u32, 256>;  // of the digits up to and with a thread's four
var<workgroup> lows: array<u32, 256>;    // their weights
var<workgroup> highs: array<u32, 256>;
var<workgroup> found: Search;

fn bins_of(view: u32, which: u32, level: u32) -> u32 {
  return view * VIEW_WORDS + BINS_AT + 3072u * (level + select(0u, LEVELS - 1u, which == 1u && level > 0u));
}
fn state_of(view: u32, which: u32, level: u32) -> u32 { return view * VIEW_WORDS + 8u + 8u * (which * LEVELS + level - 1u); }

// The ten bits at that level of a place.
fn digit_of(place: vec2<u32>, level: u32) -> u32 {
  let shift = 54u - 10u * level;
  if (shift >= 32u) { return (place.x >> (shift - 32u)) & 1023u; }
  return ((place.x << (32u - shift)) | (place.y >> shift)) & 1023u;
}
fn place_of_digit(digit: u32, level: u32) -> vec2<u32> {
  let shift = 54u - 10u * level;
  if (shift >= 32u) { return vec2<u32>(digit << (shift - 32u), 0u); }
  return vec2<u32>(digit >> (32u - shift), digit << shift);
}
fn all_below(level: u32) -> vec2<u32> {
  let width = 54u - 10u * level;
  if (width >= 32u) { return vec2<u32>((1u << (width - 32u)) - 1u, 0xffffffffu); }
  return vec2<u32>(0u, (1u << width) - 1u);
}
fn has_prefix(place: vec2<u32>, prefix: vec2<u32>, level: u32) -> bool {
  let differs = place ^ prefix;
  let n_bit = 10u * level;
  if (n_bit == 0u) { return true; }
  if (n_bit < 32u) { return (differs.x >> (32u - n_bit)) == 0u; }
  return differs.x == 0u && (differs.y >> (64u - n_bit)) == 0u;
}

fn bin_count(at: u32, digit: u32) -> u32 { return atomicLoad(&scratch[at + digit]); }
fn bin_weight(at: u32, digit: u32) -> vec2<u32> {
  return vec2<u32>(atomicLoad(&scratch[at + 1024u + digit]), atomicLoad(&scratch[at + 2048u + digit]));
}

// Running sums over all digits into counts, lows and highs.
fn scan_bins(at: u32, thread: u32) {
  var count = 0u;
  var weight = vec2<u32>(0u, 0u);
  for (var i = 4u * thread; i < 4u * thread + 4u; i++) {
    count += bin_count(at, i);
    weight = add_wide(weight, bin_weight(at, i));
  }
  for (var stride = 1u; stride <= 256u; stride *= 2u) {
    counts[thread] = count;
    lows[thread] = weight.x;
    highs[thread] = weight.y;
    workgroupBarrier();
    if (stride < 256u && thread >= stride) {
      count += counts[thread - stride];
      weight = add_wide(weight, vec2<u32>(lows[thread - stride], highs[thread - stride]));
    }
    workgroupBarrier();
  }
}

// The next digit, after scan_bins: the one at which the goal is reached. All of it is kept where that is the goal to the token.
fn find_digit(s: Search, at: u32, level: u32, by_weight: bool, thread: u32) -> Search {
  var n = 0u;
  var weight = vec2<u32>(0u, 0u);
  if (thread > 0u) {
    n = counts[thread - 1u];
    weight = vec2<u32>(lows[thread - 1u], highs[thread - 1u]);
  }
  for (var i = 4u * thread; i < 4u * thread + 4u; i++) {
    let n_own = bin_count(at, i);
    let n_through = n + n_own;
    let through = add_wide(weight, bin_weight(at, i));
    var is_reached = n < s.goal.x && s.goal.x <= n_through;
    if (by_weight) { is_reached = less_wide(weight, s.goal) && !less_wide(through, s.goal); }
    if (is_reached) {
      let prefix = s.prefix | place_of_digit(i, level);
      if (n_own == 1u || (!by_weight && n_through == s.goal.x)) {
        found = Search(prefix | all_below(level), s.goal, add_wide(s.weight, through), 1u);
      } else if (by_weight) {
        found = Search(prefix, rest_wide(s.goal, weight), add_wide(s.weight, weight), 0u);
      } else {
        found = Search(prefix, vec2<u32>(s.goal.x - n, 0u), add_wide(s.weight, weight), 0u);
      }
    }
    n = n_through;
    weight = through;
  }
  return workgroupUniformLoad(&found);
}

fn stored(at: u32, thread: u32) -> Search {
  if (thread == 0u) {
    found = Search(vec2<u32>(atomicLoad(&scratch[at]), atomicLoad(&scratch[at + 1u])),
                   vec2<u32>(atomicLoad(&scratch[at + 2u]), atomicLoad(&scratch[at + 3u])),
                   vec2<u32>(atomicLoad(&scratch[at + 4u]), atomicLoad(&scratch[at + 5u])), atomicLoad(&scratch[at + 6u]));
  }
  return workgroupUniformLoad(&found);
}
fn store_search(at: u32, s: Search) {
  atomicStore(&scratch[at], s.prefix.x);
  atomicStore(&scratch[at + 1u], s.prefix.y);
  atomicStore(&scratch[at + 2u], s.goal.x);
  atomicStore(&scratch[at + 3u], s.goal.y);
  atomicStore(&scratch[at + 4u], s.weight.x);
  atomicStore(&scratch[at + 5u], s.weight.y);
  atomicStore(&scratch[at + 6u], s.is_done);
}

// A search with the digits before `level` found, from level 2 on.
fn later(view: u32, which: u32, level: u32, thread: u32) -> Search {
  let s = stored(state_of(view, which, level - 1u), thread);
  if (s.is_done != 0u) { return s; }
  let at = bins_of(view, which, level - 1u);
  scan_bins(at, thread);
  return find_digit(s, at, level - 1u, which == 1u, thread);
}

// The same from level 1 on. The weights that search 1 goes through are those that search 0 left.
fn searched(view: u32, v: View, which: u32, level: u32, thread: u32) -> Search {
  if (level > 1u) { return later(view, which, level, thread); }
  let none = vec2<u32>(0u, 0u);
  var s = Search(none, vec2<u32>(v.count, 0u), none, 0u);
  var sum = none;
  if (which == 1u && v.count > 0u) { sum = later(view, 0u, LEVELS, thread).weight; }
  let at = bins_of(view, which, 0u);
  scan_bins(at, thread);
  if (which == 1u) {
    if (v.count == 0u) { sum = vec2<u32>(lows[255], highs[255]); }
    s.goal = part_of(sum, v.top_p);
    if (s.goal.x == 0u && s.goal.y == 0u) { s.goal.x = 1u; }
  }
  return find_digit(s, at, 0u, which == 1u, thread);
}
