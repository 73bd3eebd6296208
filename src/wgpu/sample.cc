// Sampling on the host's side: which kernels a step's requests take (docs/sampling.md, sampler.h).
#include "wgpu/shaders.h"
#include "wgpu/stages.h"

namespace tercet::wgpu {

void Stages::choose(int n_output) {
  if (step_.sample.is_plain) return choose_largest(n_output);
  const int64_t n_chunk = n_sample_chunk(config_.n_vocab);
  const Range logits = {b.logits.get(), 0, 0};
  const Range keys = {b.keys.get(), 0, 0};
  const Range candidates = {b.candidates.get(), 0, 0};
  const Range scratch = {b.scratch.get(), 0, 0};
  const Range last_token = {b.last_token.get(), 0, 0};
  sampling_kernel("kernels/adjust", 0, "rrwww", {logits, last_token, keys, candidates, scratch}, n_chunk, n_output);
  const int n_view = step_.sample.n_view;
  if (n_view > 0) {
    const int64_t n_part = (config_.n_vocab + 4095) / 4096;
    const int n_level = n_sample_level(config_.n_vocab);
    for (int turn = 0; turn < 2 * n_level; ++turn) {
      // The first level is that of both searches; a search that no view needs has no others.
      const bool is_needed = turn < n_level ? step_.sample.has_count : step_.sample.has_weight;
      if (turn > 0 && (!is_needed || turn == n_level)) continue;
      const uint32_t words[] = {turn < n_level ? 0U : 1U, static_cast<uint32_t>(turn % n_level)};
      sampling_kernel("kernels/cut", turn, "rrrwu", {logits, keys, candidates, scratch}, n_part, n_view, words);
    }
    sampling_kernel("kernels/keep", 0, "rrww", {logits, keys, scratch, {b.lists.get(), 0, 0}}, n_chunk, n_view);
  }
  sampling_kernel("kernels/draw", 0, "rrrrww", {logits, keys, candidates, scratch, {b.results.get(), 0, 0}, last_token},
                  n_output, 1);
}

void Stages::sampling_kernel(std::string_view name, int turn, std::string_view uses, std::vector<Range> ranges,
                             int64_t n_x, int64_t n_y, std::span<const uint32_t> words) {
  const SiteId id = {name, -1, turn};
  Site* at = find(id);
  if (at == nullptr) {
    if (!words.empty()) ranges.push_back(uniforms(words));
    at = site(id, uses, ranges);
  }
  const auto recipe = [&] {
    std::string functions(shader("kernels/request"));
    functions += shader("kernels/weight");
    if (name == "kernels/cut" || name == "kernels/keep") functions += shader("kernels/search");
    return Recipe{name,
                  constant("N_VOCAB", config_.n_vocab) + constant("N_CHUNK", n_sample_chunk(config_.n_vocab)) +
                      constant("LEVELS", n_sample_level(config_.n_vocab)) +
                      constant("ID_BITS", sample_id_bits(config_.n_vocab)),
                  functions};
  };
  launch(at, 0, recipe, n_x, n_y);
}

// Of steps that ask for nothing else.
void Stages::choose_largest(int n_output) {
  const SiteId largest_id = {"largest", -1, 0};
  Site* largest = find(largest_id);
  if (largest == nullptr) {
    const Range ranges[] = {{b.logits.get(), 0, 0}, {b.candidates.get(), 0, 0}};
    largest = site(largest_id, "rw", ranges);
  }
  launch(largest, 0, [&] { return Recipe{"kernels/largest", constant("N_VOCAB", config_.n_vocab)}; }, 64, n_output);
  const SiteId id = {"head", -1, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const Range ranges[] = {{b.candidates.get(), 0, 0}, {b.results.get(), 0, 0}, {b.last_token.get(), 0, 0}};
    at = site(id, "rww", ranges);
  }
  launch(at, 0, [] { return Recipe{"head", {}}; }, n_output, 1);
}

}  // namespace tercet::wgpu
