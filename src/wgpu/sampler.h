// Owns what a step asks of the device's sampler: how it lies in the step's input (kernels/request.wgsl reads it), and how what
// comes back is read. What must come of it is what backend::sample_row gives (docs/sampling.md).
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/host_backend.h"

namespace tercet::wgpu {

// What kernels are chosen by, and how much room they need.
struct SampleShape {
  bool is_plain = true;     // every output: the largest raw logit, or nothing at all
  int n_key_row = 0;        // outputs that draw
  int n_view = 0;           // these, and those that list log-probabilities
  int n_entry = 0;          // of all lists
  bool has_count = false;   // some view keeps so many of the largest
  bool has_weight = false;  // some view keeps as many as weigh so much
};

inline constexpr int kSampleChunk = 2048;  // tokens a workgroup; kernels/request.wgsl
inline constexpr int kResultWords = 8;     // an output's; kernels/draw.wgsl

constexpr int64_t n_sample_chunk(int n_vocab) { return (n_vocab + kSampleChunk - 1) / kSampleChunk; }
// Bits of an id, at least one.
constexpr int sample_id_bits(int n_vocab) {
  return n_vocab <= 2 ? 1 : static_cast<int>(std::bit_width(static_cast<uint32_t>(n_vocab - 1)));
}
// Digits of ten bits of a token's place: 32 bits of its key, then its id.
int n_sample_level(int n_vocab);
// Of a view in the scratch.
int64_t sample_view_words(int n_vocab);

// Appends the requests and the views to the words of a step's input.
class RequestWriter {
 public:
  RequestWriter(int n_vocab, std::vector<uint32_t>& words) : n_vocab_(n_vocab), words_(words) {}
  void write(const backend::Step& step);
  uint32_t requests_at() const { return requests_at_; }
  uint32_t views_at() const { return views_at_; }
  const SampleShape& shape() const { return shape_; }

 private:
  void write_request(const backend::Output& output, bool is_from_last, size_t at);
  void write_lists(const backend::Output& output, size_t at);
  uint32_t add_view(const backend::Output& output, bool is_list, uint32_t row);

  int n_vocab_;
  std::vector<uint32_t>& words_;
  std::vector<uint32_t> views_;
  uint32_t n_output_ = 0;
  uint32_t requests_at_ = 0;
  uint32_t views_at_ = 0;
  SampleShape shape_;
};

// results: [n_output, kResultWords]; entries: pairs of key and id, the lists one behind the other.
void unpack_samples(const backend::Step& step, int n_vocab, std::span<const uint32_t> results,
                    std::span<const uint32_t> entries, backend::StepResult& out);

}  // namespace tercet::wgpu
