#include "trace/printed.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "base/text.h"
#include "trace/trace_file.h"

namespace tercet::trace {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trim(std::string_view s) {
  const size_t begin = s.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(kBlanks) - begin + 1);
}

// Lines of a text, numbered from 1.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  std::optional<std::string_view> next() {
    if (rest_.empty()) return {};
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++number_;
    return line;
  }
  std::optional<std::string_view> peek() const { return Lines(*this).next(); }
  int64_t number() const { return number_; }

 private:
  std::string_view rest_;
  int64_t number_ = 0;
};

template <typename T>
std::optional<T> number(std::string_view s) {
  T out{};
  const auto [end, failed] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (failed != std::errc() || end != s.data() + s.size()) return {};
  return out;
}

struct Head {
  std::string_view name;
  std::array<int64_t, 4> shape = {};
};

// "ggml_debug:    Qcur-0 = (f32)    ROPE(a{64, 8, 3, 1}, b{3, 1, 1, 1}}) = {64, 8, 3, 1}": the function's name has changed
// before, and before it there may be a log's own prefix.
std::optional<Head> parse_head(std::string_view line) {
  line = trim(line);
  const size_t type = line.find(" = (");
  const size_t shape = line.rfind(") = {");
  if (type == std::string_view::npos || shape == std::string_view::npos || shape < type || !line.ends_with('}'))
    return {};
  const size_t colon = line.substr(0, type).rfind(':');
  if (colon == std::string_view::npos) return {};
  Head out{trim(line.substr(colon + 1, type - colon - 1)), {}};
  if (out.name == "embd") out.name = "inp_embd";  // as newer versions call it
  std::string_view dims = line.substr(line.rfind('{') + 1);
  dims.remove_suffix(1);
  for (int64_t& dim : out.shape) {
    const size_t end = std::min(dims.find(','), dims.size());
    const auto value = number<int64_t>(trim(dims.substr(0, end)));
    if (!value || *value < 0) return {};
    dim = *value;
    dims.remove_prefix(std::min(end + 1, dims.size()));
  }
  if (!dims.empty()) return {};
  return out;
}

// "attn_norm-3" or "result_norm", if that is a tap.
bool is_tap_name(std::string_view name) {
  if (const auto tap = backend::find_tap(name)) return !backend::tap_info(*tap).per_layer;
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || !number<uint32_t>(name.substr(dash + 1))) return false;
  const auto tap = backend::find_tap(name.substr(0, dash));
  return tap && backend::tap_info(*tap).per_layer;
}

// One bracket's worth: what stands in it, and before which item the middle was left out.
struct Group {
  std::vector<Group> groups;
  std::vector<PrintedTensor::Value> values;
  std::optional<size_t> gap;
  size_t size() const { return std::max(groups.size(), values.size()); }
};

// Half of a unit of the last digit, with room for the rounding of the decimal itself.
double half_unit(std::string_view word) {
  const size_t point = word.find('.');
  const size_t digits = point == std::string_view::npos ? 0 : word.size() - point - 1;
  return 0.5000001 * std::pow(10.0, -static_cast<double>(digits));
}

// Reads the nested brackets behind a head.
class Body {
 public:
  Body(const std::string& path, std::string_view name, Lines& lines) : path_(path), name_(name), lines_(lines) {}

  Result<Group> read() {
    Group root;
    std::vector<Group*> open = {&root};
    do {
      const auto line = lines_.next();
      if (!line) return bad("the end of the file", "its closing brackets");
      for (std::string_view rest = trim(*line); !rest.empty();) {
        const char c = rest.front();
        if (c == '[') {
          if (open.size() > 3) return bad("a fourth '['", "three dimensions");
          if (!open.back()->values.empty()) return bad("'[' behind a number", "numbers");
          open.push_back(&open.back()->groups.emplace_back());
          rest.remove_prefix(1);
        } else if (c == ']') {
          if (open.size() == 1) return bad("']'", "'['");
          open.pop_back();
          rest.remove_prefix(1);
        } else if (c == ',' || kBlanks.find(c) != std::string_view::npos) {
          rest.remove_prefix(1);
        } else {
          RETURN_IF_ERROR(read_word(*open.back(), open.size(), rest));
        }
      }
    } while (open.size() > 1);
    return std::move(root.groups.front());
  }

 private:
  Status read_word(Group& group, size_t depth, std::string_view& rest) {
    const std::string_view word = rest.substr(0, rest.find_first_of(",[] \t\r"));
    rest.remove_prefix(word.size());
    if (word == "...") {
      if (group.gap || depth == 1) return bad("'...'", "it once in a dimension");
      group.gap = group.size();
      return {};
    }
    const auto value = number<double>(word.starts_with('+') ? word.substr(1) : word);
    if (!value || depth != 4) return bad(fmt::format("'{}'", printable(word, 40)), depth == 4 ? "numbers" : "'['");
    group.values.push_back({0, *value, half_unit(word)});
    return {};
  }
  tl::unexpected<Error> bad(std::string_view seen, std::string_view want) const {
    return error(Code::kCorrupt, "{}:{}: tensor '{}': {}, want {}", path_, lines_.number(), name_, seen, want);
  }

  const std::string& path_;
  std::string_view name_;
  Lines& lines_;
};

// Numbers the values of a group, whose items lie `stride` apart, from `base` on. False if there are more or fewer items than
// the dimension has.
bool place(const Group& group, const std::array<int64_t, 4>& shape, int dim, int64_t base,
           std::vector<PrintedTensor::Value>& out) {
  int64_t stride = 1;
  for (int i = 0; i < dim; ++i) stride *= shape[static_cast<size_t>(i)];
  const auto n = static_cast<int64_t>(group.size());
  const int64_t length = shape[static_cast<size_t>(dim)];
  if (group.gap ? n >= length : n != length) return false;
  if (!(dim > 0 ? group.values.empty() : group.groups.empty())) return false;
  for (int64_t i = 0; i < n; ++i) {
    const bool is_behind = group.gap && i >= static_cast<int64_t>(*group.gap);
    const int64_t at = base + (is_behind ? length - n + i : i) * stride;
    if (dim > 0) {
      if (!place(group.groups[static_cast<size_t>(i)], shape, dim - 1, at, out)) return false;
    } else {
      out.push_back(group.values[static_cast<size_t>(i)]);
      out.back().index = at;
    }
  }
  return true;
}

Result<PrintedTensor> read_tensor(const std::string& path, const Head& head, Lines& lines) {
  PrintedTensor out{head.shape, {}, lines.number()};
  const auto bad = [&](std::string_view seen) {
    return error(Code::kCorrupt, "{}:{}: tensor '{}': {}, want {{{}}}", path, out.line, head.name, seen,
                 fmt::join(head.shape, ", "));
  };
  std::optional<int64_t> size = 1;
  for (const int64_t dim : head.shape) size = size ? checked_mul(*size, dim) : size;
  if (!size || *size == 0 || head.shape[3] != 1) return bad("no shape of a tap");
  ASSIGN_OR_RETURN(const Group group, Body(path, head.name, lines).read());
  if (!place(group, head.shape, 2, 0, out.values)) return bad("other values than its shape has");
  return out;
}

// "number of input tokens = 3", and then the ids, a line each.
std::optional<std::vector<int32_t>> read_tokens(std::string_view line, Lines& lines) {
  constexpr std::string_view kHead = "number of input tokens = ";
  const size_t at = line.find(kHead);
  if (at == std::string_view::npos) return {};
  const auto n = number<uint32_t>(trim(line.substr(at + kHead.size())));
  std::vector<int32_t> out;
  while (n && out.size() < *n) {
    const auto next = lines.peek();
    if (!next) return {};
    const std::string_view text = trim(*next);
    // A log's own prefix stands before the id.
    const auto id = number<int32_t>(text.substr(text.find_last_of(kBlanks) + 1));
    if (!id) return {};
    out.push_back(*id);
    lines.next();
  }
  return out;
}

}  // namespace

int64_t PrintedTensor::n_value() const { return shape[0] * shape[1] * shape[2] * shape[3]; }

bool PrintedTrace::is_one(std::string_view text) {
  Lines lines(text);
  while (const auto line = lines.next())
    if (parse_head(*line)) return true;
  return false;
}

Result<PrintedTrace> PrintedTrace::parse(const std::string& path, std::string_view text) {
  PrintedTrace out;
  out.path_ = printable(path, 400);
  Lines lines(text);
  while (const auto line = lines.next()) {
    if (auto tokens = read_tokens(*line, lines)) out.tokens_ = std::move(tokens);
    const auto head = parse_head(*line);
    if (!head || !is_tap_name(head->name)) continue;
    // A tensor in a block format is printed without values.
    const auto next = lines.peek();
    if (!next || !trim(*next).starts_with('[')) continue;
    ASSIGN_OR_RETURN(out.tensors_[std::string(head->name)], read_tensor(out.path_, *head, lines));
  }
  if (out.tensors_.empty())
    return error(Code::kCorrupt, "{}: no tensor that is a tap, want some of llama.cpp's eval-callback", out.path_);
  return out;
}

void PrintedComparison::write(const backend::TapView& view) {
  const auto found = wanted_.tensors().find(tensor_name(view.tap, view.layer));
  if (!status_ || found == wanted_.tensors().end()) return;
  const auto& [name, tensor] = *found;
  const int64_t n_row = tensor.n_value() / view.width;
  if (tensor.n_value() % view.width != 0 || (n_row != n_token_ && n_row != 1)) {
    status_ = error(Code::kInvalidArgument, "{}:{}: tensor '{}': {{{}}}, want {} or 1 rows of {}", wanted_.path(),
                    tensor.line, name, fmt::join(tensor.shape, ", "), n_token_, view.width);
    return;
  }
  const int64_t first = n_row == 1 ? n_token_ - 1 : 0;
  const bool is_ids = !view.ids.empty();
  for (const PrintedTensor::Value& printed : tensor.values) {
    const int64_t row = first + printed.index / view.width - position();
    if (row < 0 || row >= view.n_row) continue;
    const auto at = static_cast<size_t>(row * view.width + printed.index % view.width);
    TapSums::Entry& entry = sums_.at(name, is_ids);
    ++entry.n_value;
    if (is_ids) {
      entry.n_different_id += view.ids[at] != printed.value ? 1 : 0;
      continue;
    }
    const float seen = view.f32[at];
    const auto low = static_cast<float>(printed.value - printed.half_unit);
    const auto high = static_cast<float>(printed.value + printed.half_unit);
    // What is no number compares false, and stays what it is.
    const float wanted = seen < low ? low : seen > high ? high : std::isfinite(printed.value) ? seen : low;
    entry.sum.add({&seen, 1}, {&wanted, 1});
  }
}

Result<std::vector<TapComparison>> PrintedComparison::finish() const {
  RETURN_IF_ERROR(status_);
  auto all = sums_.all();
  if (all.empty()) return error(Code::kInvalidArgument, "{}: none of the taps, want at least one", wanted_.path());
  return all;
}

}  // namespace tercet::trace
