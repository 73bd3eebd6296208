#include "tokenizer/nfc.h"

#include <algorithm>
#include <vector>

#include "tokenizer/unicode.h"

namespace tercet::tokenizer {
namespace {

struct Mark {
  char32_t code_point;
  uint8_t combining_class;
};

// Normalises one group: an inert starter (or nothing) and all that could act on it.
class GroupNormalizer {
 public:
  explicit GroupNormalizer(const UnicodeData& unicode) : unicode_(unicode) {}

  void append(std::string_view group, std::string& out) {
    decompose(group);
    order();
    compose();
    for (const Mark& mark : marks_) append_utf8(mark.code_point, out);
  }

 private:
  void decompose(std::string_view group) {
    marks_.clear();
    for (size_t pos = 0; pos < group.size();) {
      const Char c = decode_char(group, pos);
      pos += c.n_byte;
      const CharInfo info = unicode_.info(c.code_point);
      if (!info.decomposes) {
        marks_.push_back({c.code_point, info.combining_class});
        continue;
      }
      parts_.clear();
      unicode_.decompose(c.code_point, parts_);
      for (const char32_t part : parts_) marks_.push_back({part, unicode_.info(part).combining_class});
    }
  }

  void order() {
    const auto is_starter = [](const Mark& mark) { return mark.combining_class == 0; };
    for (auto it = marks_.begin(); it != marks_.end();) {
      it = std::find_if_not(it, marks_.end(), is_starter);
      const auto last = std::find_if(it, marks_.end(), is_starter);
      // stable_sort asks for memory, most runs are one or two marks long and in order.
      const auto less = [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; };
      if (!std::is_sorted(it, last, less)) std::stable_sort(it, last, less);
      it = last;
    }
  }

  void compose() {
    size_t size = 0;      // marks_[0, size) is the result so far
    size_t starter = 0;   // the last starter's place in it
    bool any = false;     // whether there is one
    int last_class = -1;  // of what follows the starter; -1: nothing does
    for (const Mark mark : marks_) {
      if (any && last_class < mark.combining_class) {
        if (const auto whole = unicode_.compose(marks_[starter].code_point, mark.code_point)) {
          marks_[starter].code_point = *whole;
          continue;
        }
      }
      if (mark.combining_class == 0) {
        any = true;
        starter = size;
        last_class = -1;
      } else {
        last_class = mark.combining_class;
      }
      marks_[size++] = mark;
    }
    marks_.resize(size);
  }

  const UnicodeData& unicode_;
  std::vector<Mark> marks_;
  std::vector<char32_t> parts_;
};

}  // namespace

std::string_view to_nfc(std::string_view text, std::string& storage) {
  const UnicodeData& unicode = UnicodeData::get();
  GroupNormalizer normalizer(unicode);
  storage.clear();
  size_t copied = 0;  // text[0, copied) is in storage, normalised
  size_t begin = 0;   // where the group starts that the next character may belong to
  for (size_t pos = 0; pos < text.size();) {
    if (static_cast<unsigned char>(text[pos]) < 0x80) {
      begin = pos++;
      continue;
    }
    Char c = decode_char(text, pos);
    if (unicode.info(c.code_point).nfc_inert) {
      begin = c.code_point == kInvalidByte ? pos + c.n_byte : pos;
      pos += c.n_byte;
      continue;
    }
    do {
      pos += c.n_byte;
      if (pos == text.size()) break;
      c = decode_char(text, pos);
    } while (!unicode.info(c.code_point).nfc_inert);
    storage.append(text, copied, begin - copied);
    normalizer.append(text.substr(begin, pos - begin), storage);
    copied = begin = pos;
  }
  if (copied == 0) return text;
  storage.append(text, copied);
  return storage;
}

}  // namespace tercet::tokenizer
