// Owns the byte-level alphabet of GPT-2: each byte is written as one printable character, so that a vocabulary is text.
#pragma once

#include <string>
#include <string_view>

namespace tercet::tokenizer {

// The character that stands for `byte`, in UTF-8.
std::string byte_spelling(unsigned char byte);

// The bytes that a spelling stands for; a spelling with a character outside of the alphabet stands for itself, as in
// `tokenizers`.
std::string bytes_of_spelling(std::string_view spelling);

}  // namespace tercet::tokenizer
