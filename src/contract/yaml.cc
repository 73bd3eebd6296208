#include "contract/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/text.h"

namespace tercet::contract {
namespace {

Mark mark_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Leaves yaml-cpp's parser in the middle of a document; caught in parse_yaml.
struct Refused {
  YamlError error;
};

[[noreturn]] void refuse(const YAML::Mark& at, std::string message) {
  throw Refused{{mark_of(at), std::move(message)}};
}

// Builds the tree. Nodes stay where they are while they are open: each is moved into its parent when it closes.
class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    enter(mark, "", anchor, Node::Kind::kNull);
    leave();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "an alias, want the value itself"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    enter(mark, tag, anchor, Node::Kind::kScalar);
    open_.back().text = value;
    leave();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { leave(); }

  Node take() { return std::move(root_); }

 private:
  void enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    if (anchor != 0) refuse(mark, "an anchor, want none");
    // "?" and "!" are what yaml-cpp itself says of plain and quoted text.
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "a tag, want none");
    if (std::ssize(open_) >= kMaxYamlDepth)
      refuse(mark, fmt::format("a nesting of more than {} levels, want less", kMaxYamlDepth));
    if (++n_node_ > kMaxYamlNodes) refuse(mark, fmt::format("more than {} values, want fewer", kMaxYamlNodes));
    open_.push_back({kind, mark_of(mark), {}, {}, {}});
  }

  void leave() {
    Node node = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Node& parent = open_.back();
    // In a map keys and values come in turn.
    if (parent.kind == Node::Kind::kMap && parent.keys.size() == parent.items.size()) {
      add_key(parent, std::move(node));
    } else {
      parent.items.push_back(std::move(node));
    }
  }

  static void add_key(Node& map, Node key) {
    if (key.kind != Node::Kind::kScalar)
      throw Refused{{key.at, fmt::format("a key that is {}, want a word", kind_name(key.kind))}};
    map.keys.push_back({std::move(key.text), key.at});
  }

  std::vector<Node> open_;
  Node root_;
  int n_node_ = 0;
};

}  // namespace

std::string_view kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull: return "nothing";
    case Node::Kind::kScalar: return "a single value";
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a map";
  }
  return "nothing";
}

tl::expected<Node, YamlError> parse_yaml(std::string_view text) {
  const auto fail = [](Mark at, std::string message) { return tl::make_unexpected(YamlError{at, std::move(message)}); };
  if (text.size() > kMaxYamlBytes)
    return fail({}, fmt::format("{} bytes, want at most {}", text.size(), kMaxYamlBytes));
  if (!is_utf8(text)) return fail({}, "bytes that are no UTF-8, want text");
  if (text.find('\0') != std::string_view::npos) return fail({}, "a NUL character, want text");
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return fail({}, "no document, want one");
    Builder second;
    if (parser.HandleNextDocument(second)) return fail({}, "more than one document, want one");
    return builder.take();
  } catch (const Refused& refused) {
    return tl::make_unexpected(refused.error);
  } catch (const YAML::Exception& e) {
    return fail(mark_of(e.mark), fmt::format("{}, want YAML", printable(e.msg)));
  }
}

}  // namespace tercet::contract
