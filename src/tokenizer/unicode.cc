#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace tercet::tokenizer {
namespace {

struct Range {
  char32_t first, last;
};

// Letters and numbers of Unicode 15.1 and 16.0, which utf8proc 2.8 (15.0) does not have.
constexpr Range kLettersAfter15[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
};
constexpr Range kNumbersAfter15[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

// Combining marks and composites that came after Unicode 9.0. The NFC of `tokenizers` knows Unicode 9.0, so to it they
// are starters without decomposition, and texts must be normalised as in training.
constexpr Range kMarksAfter9[] = {
    {0x05C8, 0x05C9},   {0x07FD, 0x07FD},   {0x0897, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},   {0x1ABF, 0x1AF0},
    {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x10D24, 0x10D27},
    {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10ECB, 0x10ECF}, {0x10EF0, 0x10EFB}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11383, 0x11383},
    {0x11385, 0x11385}, {0x1138E, 0x1138E}, {0x11391, 0x11391}, {0x113C5, 0x113C5}, {0x113C7, 0x113C8},
    {0x113CE, 0x113D0}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16121, 0x16128},
    {0x1612F, 0x1612F}, {0x16D68, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1D127, 0x1D128}, {0x1D250, 0x1D252},
    {0x1D25B, 0x1D25C}, {0x1D25F, 0x1D25F}, {0x1D280, 0x1D281}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3},
    {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5},
};

template <size_t N>
bool contains(const Range (&ranges)[N], char32_t c) {
  const Range* it =
      std::lower_bound(ranges, ranges + N, c, [](const Range& range, char32_t x) { return range.last < x; });
  return it != ranges + N && it->first <= c;
}

// Conjoining Jamo (The Unicode Standard, 3.12).
constexpr char32_t kSyllable = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;

// Unsigned arithmetic: false below `first` too.
constexpr bool within(char32_t c, char32_t first, char32_t n) { return c - first < n; }

std::optional<char32_t> compose_hangul(char32_t first, char32_t second) {
  if (within(first, kLead, kLeads) && within(second, kVowel, kVowels)) {
    return kSyllable + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  if (within(first, kSyllable, kSyllables) && (first - kSyllable) % kTails == 0 &&
      within(second, kTail + 1, kTails - 1)) {
    return first + (second - kTail);
  }
  return std::nullopt;
}

CharClass class_of(char32_t c, utf8proc_category_t category) {
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) return CharClass::kLetter;
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return CharClass::kNumber;
  if (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP) return CharClass::kSpace;
  if (within(c, '\t', 5) || c == 0x85) return CharClass::kSpace;
  if (contains(kLettersAfter15, c)) return CharClass::kLetter;
  if (contains(kNumbersAfter15, c)) return CharClass::kNumber;
  return CharClass::kOther;
}

}  // namespace

Char decode_char(std::string_view text, size_t pos) {
  char32_t code_point = kInvalidByte;
  const size_t n_byte = decode_utf8(text.substr(pos), code_point);
  return n_byte == 0 ? Char{kInvalidByte, 1} : Char{code_point, static_cast<uint32_t>(n_byte)};
}

void append_utf8(char32_t code_point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

// A lead byte alone can always be completed; two or three bytes can if they can with the least continuation bytes.
size_t incomplete_tail(std::string_view bytes) {
  for (size_t n = 1; n <= std::min<size_t>(3, bytes.size()); ++n) {
    std::string tail(bytes.substr(bytes.size() - n));
    const auto lead = static_cast<unsigned char>(tail[0]);
    const size_t length = lead < 0xC2 || lead > 0xF4 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length <= n) continue;
    tail.resize(length, '\x80');
    char32_t code_point = 0;
    if (n == 1 || decode_utf8(tail, code_point) == length) return n;
  }
  return 0;
}

const UnicodeData& UnicodeData::get() {
  static const UnicodeData data;
  return data;
}

UnicodeData::UnicodeData() {
  find_compositions();
  std::unordered_map<std::string, uint16_t> seen;
  std::array<CharInfo, kBlock> block;
  static_assert(kInvalidByte == kCodePoints, "the block past the last character is all defaults");
  for (size_t b = 0; b < index_.size(); ++b) {
    std::string key(kBlock * 4, '\0');
    for (size_t i = 0; i < kBlock; ++i) {
      const auto c = static_cast<char32_t>(b * kBlock + i);
      block[i] = c < kCodePoints ? make_info(c) : CharInfo{};
      const CharInfo& info = block[i];
      const char fields[4] = {static_cast<char>(info.char_class), info.nfc_inert, info.decomposes,
                              static_cast<char>(info.combining_class)};
      std::memcpy(&key[i * 4], fields, 4);
    }
    const auto [it, is_new] = seen.emplace(std::move(key), static_cast<uint16_t>(seen.size()));
    index_[b] = it->second;
    if (is_new) blocks_.insert(blocks_.end(), block.begin(), block.end());
  }
}

// The pair that makes a composite is (the composition of all but the last of its decomposition, the last): utf8proc
// gives decompositions, and compositions of whole strings, but not the pairs.
void UnicodeData::find_compositions() {
  for (char32_t c = 0; c < kCodePoints; ++c) {
    const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    if (property->decomp_seqindex == UINT16_MAX || property->decomp_type != 0 || contains(kMarksAfter9, c)) continue;
    utf8proc_int32_t parts[8];
    int last_boundary = 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &last_boundary);
    CHECK(n >= 1 && n <= 8);
    if (n == 1) continue;
    const auto second = static_cast<char32_t>(parts[n - 1]);
    utf8proc_int32_t whole[8];
    std::copy(parts, parts + n, whole);
    const auto compose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (utf8proc_normalize_utf32(whole, n, compose) != 1 || whole[0] != static_cast<utf8proc_int32_t>(c)) continue;
    CHECK(utf8proc_normalize_utf32(parts, n - 1, compose) == 1);
    compositions_.emplace(uint64_t{static_cast<uint32_t>(parts[0])} << 32 | second, c);
    seconds_.push_back(second);
  }
  std::sort(seconds_.begin(), seconds_.end());
  seconds_.erase(std::unique(seconds_.begin(), seconds_.end()), seconds_.end());
}

CharInfo UnicodeData::make_info(char32_t c) const {
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  CharInfo info;
  info.char_class = class_of(c, static_cast<utf8proc_category_t>(property->category));
  if (contains(kMarksAfter9, c)) return info;
  info.combining_class = static_cast<uint8_t>(property->combining_class);
  info.decomposes =
      within(c, kSyllable, kSyllables) || (property->decomp_seqindex != UINT16_MAX && property->decomp_type == 0);
  const bool joins = within(c, kVowel, kVowels) || within(c, kTail + 1, kTails - 1) ||
                     std::binary_search(seconds_.begin(), seconds_.end(), c);
  bool changes = false;  // NFC of the character alone is another
  if (info.decomposes && !within(c, kSyllable, kSyllables)) {
    std::vector<char32_t> parts;
    decompose(c, parts);
    std::optional<char32_t> whole = parts[0];
    for (size_t i = 1; i < parts.size() && whole; ++i) whole = compose(*whole, parts[i]);
    changes = whole != c;
  }
  info.nfc_inert = info.combining_class == 0 && !joins && !changes;
  return info;
}

std::optional<char32_t> UnicodeData::compose(char32_t first, char32_t second) const {
  if (const auto syllable = compose_hangul(first, second)) return syllable;
  const auto it = compositions_.find(uint64_t{first} << 32 | second);
  return it == compositions_.end() ? std::nullopt : std::optional(it->second);
}

void UnicodeData::decompose(char32_t code_point, std::vector<char32_t>& out) const {
  utf8proc_int32_t parts[8];
  int last_boundary = 0;
  const utf8proc_ssize_t n =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), parts, 8, UTF8PROC_DECOMPOSE, &last_boundary);
  CHECK(n >= 1 && n <= 8);
  out.insert(out.end(), parts, parts + n);
}

}  // namespace tercet::tokenizer
