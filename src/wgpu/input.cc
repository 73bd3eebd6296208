#include "wgpu/input.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

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
  kHeaderWords = 16
};

}  // namespace

InputWriter::InputWriter(int d_head, float rope_base) {
  for (int i = 0; i < d_head / 2; ++i) frequency_.push_back(std::pow(double{rope_base}, -2.0 * i / d_head));
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
  write_rotations(step);
  return words_;
}

}  // namespace tercet::wgpu
