// Owns normalisation form C, for text that may hold bytes which are not UTF-8: those stay, and split what is around
// them.
#pragma once

#include <string>
#include <string_view>

namespace tercet::tokenizer {

// The text in NFC (Unicode 9.0, as `tokenizers` has it): a view of `text` itself when nothing changes, else of
// `storage`, which is overwritten. Time: linear, n log n in the length of a run of combining marks.
std::string_view to_nfc(std::string_view text, std::string& storage);

}  // namespace tercet::tokenizer
