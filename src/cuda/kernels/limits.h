// Owns the numbers that the host's plan and the kernels agree on.
#pragma once

#include <algorithm>

namespace tercet::cuda {

inline constexpr int kPageSize = 64;    // tokens; the attention kernels' tile
inline constexpr int kMaxSplit = 64;    // parts that one sequence's keys are cut into while decoding
inline constexpr int kDecodeGroup = 8;  // query heads a KV head, at most, on the tensor cores
inline constexpr int kChunkRows = 128;  // tokens of a piece of a prompt times the heads of a group, at most
inline constexpr int kGemvMaxRow = 8;   // up to here a product is bound by its weights, and by latency
inline constexpr int kMaxOneWarp = 8;   // warps of the kernels for one row
inline constexpr int kMaxOneUnits = 4;  // blocks of 256 columns a warp
inline constexpr int kMaxOneBlock = kMaxOneWarp * kMaxOneUnits;  // of a row
inline constexpr int kFewRows = 32;     // up to here, where experts have a row each at most, a row goes its own way
inline constexpr int kGeneralRows = 8;  // rows of activations a tile of the general kernel
inline constexpr int kMaxExperts = 2048;
inline constexpr int kMaxChoice = 32;     // experts a row: their weights are one warp's
inline constexpr int kRouteParts = 4;     // parts of the columns that a prompt's router logits are summed in
inline constexpr int kMaxRanked = 512;    // experts that one row's choice is ranked among by every block
inline constexpr int kMaxDownWarp = 12;   // warps of one row's down
inline constexpr int kMaxAloneWarp = 24;  // where it is the step's only row
inline constexpr int kMaxDownUnits = 4;   // and their blocks of 256 columns

// How many parts the keys of sequences of up to n_page pages are cut into. A block takes 8 x 32 positions at a time, and
// one a multiprocessor is what their registers allow.
inline int choose_split(int n_head_of_all, int n_page, int n_multiprocessor) {
  const int by_length = std::max(1, n_page * kPageSize / 256);
  const int by_device = std::max(1, n_multiprocessor / std::max(1, n_head_of_all));
  return std::min({by_length, by_device, kMaxSplit});
}

}  // namespace tercet::cuda
