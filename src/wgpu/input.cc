#include "wgpu/input.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <ranges>

#include "base/check.h"

namespace tercet::wgpu {
namespace {

// What kernels/common.wgsl reads in the words of the header.
enum Header {
  kRows,
  kOutputs,
  kPageStride,
  kTokens,
  kPositions,
  kSlots,
  kPageRows,
  kOutputRows,
  kPageTable,
  kRotations,
  kSamples,
  kBlocks,
  kTiles,
  kRequests,
  kViews,
  kHeaderWords = 16
};

}  // namespace

InputWriter::InputWriter(const model::Config& config, int tile_queries)
    : n_vocab_(config.n_vocab), heads_a_key_(config.n_head / config.n_head_kv), tile_queries_(tile_queries) {
  for (int i = 0; i < config.d_head / 2; ++i)
    frequency_.push_back(std::pow(double{config.rope_base}, -2.0 * i / config.d_head));
}

uint32_t InputWriter::begin(int header_word) {
  const auto at = static_cast<uint32_t>(words_.size());
  words_[static_cast<size_t>(header_word)] = at;
  return at;
}

// In double, rounded once, as ref does it; a GPU's own would lose the angle at long contexts.
void InputWriter::write_rotations(const backend::Step& step) {
  begin(kRotations);
  for (const backend::Row& row : step.rows()) {
    for (const double frequency : frequency_) {
      const double angle = row.position * frequency;
      words_.push_back(std::bit_cast<uint32_t>(static_cast<float>(std::cos(angle))));
      words_.push_back(std::bit_cast<uint32_t>(static_cast<float>(std::sin(angle))));
    }
  }
}

// Sequences with one row come first; the others' rows, times the heads that share a key, are cut into tiles. The longest
// come first, so that none is left alone at the end.
void InputWriter::write_tiles(const backend::Step& step) {
  const auto rows = step.rows();
  shape_ = {};
  shape_.n_row = static_cast<int>(rows.size());
  std::vector<std::array<uint32_t, 3>> tiles;
  for (size_t first = 0; first < rows.size();) {
    size_t end = first + 1;
    while (end < rows.size() && rows[end].sequence == rows[first].sequence) ++end;
    const auto n_query = static_cast<int64_t>(end - first) * heads_a_key_;
    if (end - first == 1 && tiles.empty()) {
      ++shape_.n_lone;
    } else {
      for (int64_t query = 0; query < n_query; query += tile_queries_)
        tiles.push_back(
            {static_cast<uint32_t>(first), static_cast<uint32_t>(end - first), static_cast<uint32_t>(query)});
    }
    first = end;
  }
  shape_.n_tile = static_cast<int>(tiles.size());
  begin(kTiles);
  for (const auto& tile : std::ranges::reverse_view(tiles)) words_.insert(words_.end(), tile.begin(), tile.end());
}

const std::vector<uint32_t>& InputWriter::write(const backend::Step& step) {
  size_t stride = 1;
  for (const backend::Sequence& s : step.sequences()) stride = std::max(stride, s.pages.size());
  words_.assign(kHeaderWords, 0);
  words_[kRows] = static_cast<uint32_t>(step.rows().size());
  words_[kOutputs] = static_cast<uint32_t>(step.outputs().size());
  int length = 1;
  for (const backend::Sequence& s : step.sequences()) length = std::max(length, int{s.length});
  words_[kBlocks] = static_cast<uint32_t>((length + 63) / 64);
  words_[kPageStride] = static_cast<uint32_t>(stride);
  begin(kTokens);
  for (const backend::Row& row : step.rows()) words_.push_back(static_cast<uint32_t>(row.token));
  begin(kPositions);
  for (const backend::Row& row : step.rows()) words_.push_back(static_cast<uint32_t>(row.position));
  begin(kSlots);
  for (const backend::Row& row : step.rows())
    words_.push_back(static_cast<uint32_t>(step.sequences()[static_cast<size_t>(row.sequence)].slot));
  begin(kPageRows);
  for (const backend::Row& row : step.rows()) words_.push_back(static_cast<uint32_t>(row.sequence));
  begin(kOutputRows);
  for (const backend::Output& output : step.outputs()) words_.push_back(static_cast<uint32_t>(output.row));
  // Where a sequence samples several times, the last one counts.
  std::map<int32_t, size_t> last;
  for (size_t i = 0; i < step.outputs().size(); ++i) {
    const backend::Output& output = step.outputs()[i];
    if (output.sample) last[step.rows()[static_cast<size_t>(output.row)].sequence] = i;
  }
  begin(kSamples);
  words_.resize(words_.size() + step.outputs().size(), 0);
  for (const auto& [sequence, i] : last) words_[words_[kSamples] + i] = 1;
  begin(kPageTable);
  for (const backend::Sequence& s : step.sequences()) {
    for (const backend::PageId page : s.pages) words_.push_back(static_cast<uint32_t>(page));
    words_.resize(words_.size() + stride - s.pages.size(), 0);
  }
  write_tiles(step);
  write_rotations(step);
  RequestWriter requests(n_vocab_, words_);
  requests.write(step);
  words_[kRequests] = requests.requests_at();
  words_[kViews] = requests.views_at();
  shape_.sample = requests.shape();
  return words_;
}

}  // namespace tercet::wgpu
