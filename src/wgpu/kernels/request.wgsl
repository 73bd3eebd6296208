// request   what is asked of the sampler, as input.cc writes it: an output's request, and its views. A view is a row of keys in
//   which a set of the largest is looked for: an output that draws has one of its adjusted logits, one that lists
//   log-probabilities one of its raw ones.
const CHUNK: u32 = 2048u;

// What is on in word 0.
const SAMPLES: u32 = 1u;
const DRAWS: u32 = 2u;
const LISTS: u32 = 4u;
const PENALIZES: u32 = 8u;
const FROM_LAST: u32 = 16u;
const MASKS: u32 = 32u;

fn request(output: u32, word: u32) -> u32 { return step_input[step_input[13] + 16u * output + word]; }
fn asks(output: u32, flag: u32) -> bool { return (request(output, 0u) & flag) != 0u; }
fn draw_view(output: u32) -> u32 { return request(output, 1u); }
fn list_view(output: u32) -> u32 { return request(output, 2u); }
fn key_row(output: u32) -> u32 { return request(output, 3u); }

struct View {
  output: u32,
  is_list: bool,
  row: u32,      // of the raw logits in a list, else of the keys
  count: u32,    // keeps so many of the largest; 0: all
  top_p: u32,    // backend/sampling.h
  scale: f32,
  list_at: u32,  // in the lists, in entries
}
fn view_at(view: u32) -> View {
  let at = step_input[14] + 8u * view;
  return View(step_input[at], step_input[at + 1u] != 0u, step_input[at + 2u], step_input[at + 3u], step_input[at + 4u],
              bitcast<f32>(step_input[at + 5u]), step_input[at + 6u]);
}

// A view's part of the scratch: the largest key, the sum of the weights (2), the last that is kept (2), how long the list is;
// from 8 on states of the searches, then the counts and weights by digit, then the chunks' sums.
const INFO_LARGEST: u32 = 0u;
const INFO_SUM: u32 = 1u;
const INFO_CUT: u32 = 3u;
const INFO_LENGTH: u32 = 5u;
const BINS_AT: u32 = 8u + 16u * LEVELS;
const SUMS_AT: u32 = BINS_AT + 3072u * (2u * LEVELS - 1u);
const VIEW_WORDS: u32 = SUMS_AT + 2u * N_CHUNK;

// Where a token stands from the most probable down: how far its key is below the largest, then its id.
fn place_of(key: u32, largest: u32, id: u32) -> vec2<u32> { return vec2<u32>(largest - key, id << (32u - ID_BITS)); }
fn is_kept(place: vec2<u32>, cut: vec2<u32>) -> bool { return place.x < cut.x || (place.x == cut.x && place.y <= cut.y); }

// The weight of a token in a draw: 0 behind the cut, and below what a token has to weigh.
fn kept_weight(key: u32, largest: u32, id: u32, cut: vec2<u32>, scale: f32, least: vec2<u32>) -> vec2<u32> {
  let weight = weight_of(key, largest, scale);
  if (!is_kept(place_of(key, largest, id), cut) || less_wide(weight, least)) { return vec2<u32>(0u, 0u); }
  return weight;
}
