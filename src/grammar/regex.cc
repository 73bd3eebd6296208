#include "grammar/regex.h"

#include <memory>
#include <optional>
#include <vector>

#include "base/text.h"

namespace tercet::grammar {
namespace {

constexpr int kMaxRepeat = 1000;
constexpr int kMaxDepth = 50;

struct Node {
  enum class Kind { kSet, kSequence, kEither, kRepeat, kBegin, kEnd };
  Kind kind = Kind::kSequence;
  CodePoints set = {};
  std::vector<Node> children = {};
  int least = 0, most = 0;  // most -1: any number
};

// \d and \w are ASCII's, as in ECMA; within a negation what any dialect counts to them is left out.
CodePoints digits(bool is_negated) {
  CodePoints out = {{'0', '9'}};
  if (is_negated) out.add(0x80, kMaxCodePoint);
  return out;
}
CodePoints words(bool is_negated) {
  CodePoints out = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  if (is_negated) out.add(0x80, kMaxCodePoint);
  return out;
}
// What both take for space, and within a negation what either does.
CodePoints spaces(bool is_negated) {
  CodePoints out = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                    {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
  if (is_negated) {
    out.add(0x1C, 0x1F);
    out.add(0x85, 0x85);
    out.add(0xFEFF, 0xFEFF);
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Node> parse() {
    ASSIGN_OR_RETURN(Node out, alternatives(0));
    if (at_ < text_.size()) return wrong("an unmatched )");
    return out;
  }

 private:
  tl::unexpected<Error> wrong(std::string_view what) const {
    return error(Code::kInvalidArgument, "{} at byte {} of {}, want a regular expression", what, at_, printable(text_));
  }
  tl::unexpected<Error> unsupported(std::string_view what) const {
    return error(Code::kUnsupported, "{} at byte {} of {}, want what can be enforced", what, at_, printable(text_));
  }

  bool peek(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view text) {
    if (!text_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  Result<Node> alternatives(int depth) {
    if (depth > kMaxDepth) return unsupported("groups too deep");
    Node out{Node::Kind::kEither};
    do {
      ASSIGN_OR_RETURN(Node one, sequence(depth));
      out.children.push_back(std::move(one));
    } while (take('|'));
    return out;
  }

  Result<Node> sequence(int depth) {
    Node out{Node::Kind::kSequence};
    while (at_ < text_.size() && !peek('|') && !peek(')')) {
      ASSIGN_OR_RETURN(Node one, atom(depth));
      ASSIGN_OR_RETURN(one, quantified(std::move(one)));
      out.children.push_back(std::move(one));
    }
    return out;
  }

  Result<Node> quantified(Node one) {
    while (true) {
      int least = 0;
      int most = -1;
      const size_t begin = at_;
      if (take('*')) {
      } else if (take('+')) {
        least = 1;
      } else if (take('?')) {
        most = 1;
      } else if (!braces(least, most)) {
        return one;
      }
      if (one.kind == Node::Kind::kBegin || one.kind == Node::Kind::kEnd) return unsupported("a repeated anchor");
      if (one.kind == Node::Kind::kRepeat && begin > 0 && is_quantifier_) return wrong("a repeated quantifier");
      if (least > kMaxRepeat || most > kMaxRepeat) return unsupported("a repetition of more than 1000");
      if (most >= 0 && least > most) return wrong("a repetition of less than none");
      take('?');  // lazy: the same strings
      if (peek('+')) return unsupported("a possessive quantifier");
      Node repeat{Node::Kind::kRepeat};
      repeat.least = least;
      repeat.most = most;
      repeat.children.push_back(std::move(one));
      one = std::move(repeat);
      is_quantifier_ = true;
    }
  }

  std::optional<int> number() {
    int out = 0;
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9')
      out = std::min(out * 10 + (text_[at_++] - '0'), 100'000);
    return at_ > begin ? std::optional<int>(out) : std::nullopt;
  }

  // {n}, {n,}, {n,m}; any other brace is itself.
  bool braces(int& least, int& most) {
    const size_t begin = at_;
    if (!take('{')) return false;
    const auto first = number();
    const bool has_comma = first && take(',');
    const auto second = has_comma ? number() : std::nullopt;
    if (!first || !take('}')) {
      at_ = begin;
      return false;
    }
    least = *first;
    most = !has_comma ? *first : second ? *second : -1;
    return true;
  }

  static Node set_node(CodePoints set) {
    Node out{Node::Kind::kSet};
    out.set = std::move(set);
    return out;
  }

  Result<Node> atom(int depth) {
    is_quantifier_ = false;
    if (take('^')) return Node{Node::Kind::kBegin};
    if (take('$')) return Node{Node::Kind::kEnd};
    // Line ends are in no dialect's dot; these are all that any leaves out.
    if (take('.')) return set_node(CodePoints({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement());
    if (take('[')) return bracket();
    if (take('(')) return group(depth);
    if (peek('*') || peek('+') || peek('?')) return wrong("a quantifier of nothing");
    if (take('\\')) return escape();
    ASSIGN_OR_RETURN(const uint32_t c, character());
    return set_node({{c, c}});
  }

  Result<Node> group(int depth) {
    if (take("?:")) {
    } else if (take("?<=") || take("?<!") || take("?=") || take("?!")) {
      return unsupported("look-around");
    } else if (take("?P<") || take("?<")) {
      while (at_ < text_.size() && !peek('>')) ++at_;
      if (!take('>')) return wrong("a name without an end");
    } else if (peek('?')) {
      return unsupported("a flag");
    }
    ASSIGN_OR_RETURN(Node out, alternatives(depth + 1));
    if (!take(')')) return wrong("a group without an end");
    is_quantifier_ = false;
    return out;
  }

  Result<uint32_t> character() {
    char32_t c = 0;
    const size_t n = decode_utf8(text_.substr(at_), c);
    if (n == 0) return wrong("no character");
    at_ += n;
    return static_cast<uint32_t>(c);
  }

  std::optional<CodePoints> class_escape(bool in_negation) {
    if (take('d')) return digits(in_negation);
    if (take('w')) return words(in_negation);
    if (take('s')) return spaces(in_negation);
    if (in_negation) {
      // Within [^\D] it is the least that counts.
      if (take('D')) return digits(false).complement();
      if (take('W')) return words(false).complement();
      if (take('S')) return spaces(false).complement();
    }
    if (take('D')) return digits(true).complement();
    if (take('W')) return words(true).complement();
    if (take('S')) return spaces(true).complement();
    return std::nullopt;
  }

  Result<uint32_t> hex(size_t n) {
    uint32_t out = 0;
    for (size_t i = 0; i < n; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const bool is_digit = c >= '0' && c <= '9';
      const bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!is_digit && !is_letter) return wrong("an escape without its digits");
      out = out * 16 + static_cast<uint32_t>(is_digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return out;
  }

  // Of a character, after the backslash.
  Result<uint32_t> escaped() {
    if (at_ == text_.size()) return wrong("a \\ of nothing");
    if (take('n')) return '\n';
    if (take('r')) return '\r';
    if (take('t')) return '\t';
    if (take('f')) return '\f';
    if (take('v')) return '\v';
    if (take('x')) return hex(2);
    if (take('u')) {
      ASSIGN_OR_RETURN(const uint32_t c, hex(4));
      if (c >= 0xD800 && c <= 0xDFFF) return unsupported("half of a surrogate pair");
      return c;
    }
    const auto next = static_cast<unsigned char>(text_[at_]);
    const bool is_letter = (next >= '0' && next <= '9') || ((next | 0x20) >= 'a' && (next | 0x20) <= 'z');
    if (is_letter) return unsupported(fmt::format("\\{}", text_[at_]));
    return character();
  }

  Result<Node> escape() {
    if (auto set = class_escape(false)) return set_node(std::move(*set));
    ASSIGN_OR_RETURN(const uint32_t c, escaped());
    return set_node({{c, c}});
  }

  Result<Node> bracket() {
    const bool is_negated = take('^');
    CodePoints set;
    bool is_first = true;
    while (is_first || !peek(']')) {
      if (at_ == text_.size()) return wrong("a class without an end");
      // An empty class is ECMA's, a class that begins with ] Python's.
      if (is_first && peek(']')) return unsupported("a class that begins with ]");
      is_first = false;
      ASSIGN_OR_RETURN(const auto low, class_item(set, is_negated));
      if (!low) continue;
      uint32_t high = *low;
      if (peek('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        CodePoints unused;
        ASSIGN_OR_RETURN(const auto end, class_item(unused, is_negated));
        if (!end || *end < *low) return wrong("a range that ends before it begins");
        high = *end;
      }
      set.add(*low, high);
    }
    ++at_;
    return set_node(is_negated ? set.complement() : set.intersection(CodePoints::all()));
  }

  // One character, or nothing where it was a whole set.
  Result<std::optional<uint32_t>> class_item(CodePoints& set, bool in_negation) {
    if (!take('\\')) {
      ASSIGN_OR_RETURN(const uint32_t c, character());
      return std::optional<uint32_t>(c);
    }
    if (const auto whole = class_escape(in_negation)) {
      set.add(*whole);
      return std::optional<uint32_t>();
    }
    if (take('b')) return std::optional<uint32_t>('\b');
    ASSIGN_OR_RETURN(const uint32_t c, escaped());
    return std::optional<uint32_t>(c);
  }

  std::string_view text_;
  size_t at_ = 0;
  bool is_quantifier_ = false;  // the node just read is a repetition
};

Result<Nfa::Fragment> build(Nfa& nfa, const Node& node) {
  if (nfa.is_full()) return nfa.nothing();
  switch (node.kind) {
    case Node::Kind::kSet: return nfa.json_character(node.set);
    case Node::Kind::kBegin:
    case Node::Kind::kEnd: return error(Code::kUnsupported, "^ or $ within the pattern, want them at its ends");
    case Node::Kind::kSequence: {
      Nfa::Fragment out = nfa.nothing();
      for (const Node& child : node.children) {
        ASSIGN_OR_RETURN(const Nfa::Fragment part, build(nfa, child));
        out = nfa.sequence(out, part);
      }
      return out;
    }
    case Node::Kind::kEither: {
      std::vector<Nfa::Fragment> parts;
      for (const Node& child : node.children) {
        ASSIGN_OR_RETURN(const Nfa::Fragment part, build(nfa, child));
        parts.push_back(part);
      }
      return nfa.either(parts);
    }
    case Node::Kind::kRepeat: break;
  }
  std::optional<Error> failed;
  const auto make = [&] {
    auto part = build(nfa, node.children[0]);
    if (part) return *part;
    failed = part.error();
    return nfa.nothing();
  };
  Nfa::Fragment out = nfa.repeat(node.least, std::max(node.least, node.most), make);
  if (node.most < 0) out = nfa.sequence(out, nfa.star(make()));
  if (failed) return tl::make_unexpected(*failed);
  return out;
}

// A branch that begins and ends where it wants, unless it is anchored.
Result<Nfa::Fragment> build_branch(Nfa& nfa, Node branch) {
  // (^a$) is ^a$.
  while (branch.kind == Node::Kind::kSequence && branch.children.size() == 1 &&
         branch.children[0].kind == Node::Kind::kEither && branch.children[0].children.size() == 1) {
    Node inner = std::move(branch.children[0].children[0]);
    branch = std::move(inner);
  }
  std::vector<Node>& parts = branch.children;
  const bool at_begin = !parts.empty() && parts.front().kind == Node::Kind::kBegin;
  if (at_begin) parts.erase(parts.begin());
  const bool at_end = !parts.empty() && parts.back().kind == Node::Kind::kEnd;
  if (at_end) parts.pop_back();
  const auto anything = [&] { return nfa.star(nfa.json_character(CodePoints::all())); };
  Nfa::Fragment out = at_begin ? nfa.nothing() : anything();
  ASSIGN_OR_RETURN(const Nfa::Fragment body, build(nfa, branch));
  out = nfa.sequence(out, body);
  return at_end ? out : nfa.sequence(out, anything());
}

}  // namespace

Result<Nfa::Fragment> add_regex(Nfa& nfa, std::string_view pattern) {
  ASSIGN_OR_RETURN(Node whole, Parser(pattern).parse());
  std::vector<Nfa::Fragment> parts;
  for (Node& branch : whole.children) {
    ASSIGN_OR_RETURN(const Nfa::Fragment part, build_branch(nfa, std::move(branch)));
    parts.push_back(part);
  }
  if (nfa.is_full()) return error(Code::kLimit, "{}: too large, want a simpler pattern", printable(pattern));
  return nfa.either(parts);
}

}  // namespace tercet::grammar
