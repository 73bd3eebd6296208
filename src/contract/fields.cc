#include "contract/fields.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tercet::contract {

Fields::Fields(const Node& node, std::string what, Findings& findings)
    : node_(node), what_(std::move(what)), findings_(findings), is_known_(node.keys.size()) {
  if (node.kind != Node::Kind::kMap) {
    report(Rule::kType, node.at, fmt::format("{}: {}, want a map", what_, kind_name(node.kind)));
    return;
  }
  for (size_t i = 0; i < node.keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (node.keys[i].text != node.keys[j].text) continue;
      report(Rule::kDuplicateKey, node.keys[i].at,
             fmt::format("{}: key '{}' again, want it once (line {})", what_, printable(node.keys[i].text),
                         node.keys[j].at.line));
      is_known_[i] = true;
      break;
    }
  }
}

Fields::~Fields() {
  for (size_t i = 0; i < node_.keys.size() && node_.kind == Node::Kind::kMap; ++i)
    if (!is_known_[i])
      report(Rule::kUnknownKey, node_.keys[i].at,
             fmt::format("{}: key '{}', want one that is known", what_, printable(node_.keys[i].text)));
}

const Node* Fields::find(std::string_view key, Need need) {
  if (node_.kind != Node::Kind::kMap) return nullptr;
  for (size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i].text != key) continue;
    is_known_[i] = true;
    return &node_.items[i];
  }
  if (need == Need::kRequired) report(Rule::kMissingField, node_.at, fmt::format("{}: no '{}', want it", what_, key));
  return nullptr;
}

Name Fields::name(std::string_view key, Need need) {
  const Node* node = find(key, need);
  if (node == nullptr) return {"", node_.at};
  if (node->kind != Node::Kind::kScalar || node->text.find_first_not_of(" \t\r\n") == std::string::npos) {
    const bool is_empty = node->kind == Node::Kind::kScalar;
    report(Rule::kType, node->at,
           fmt::format("{}: '{}' is {}, want text", what_, key, is_empty ? "empty" : kind_name(node->kind)));
    return {"", node->at};
  }
  return {node->text, node->at};
}

Name Fields::choice(std::string_view key, std::initializer_list<std::string_view> known, Need need) {
  Name found = name(key, need);
  if (found.text.empty() || std::ranges::find(known, found.text) != known.end()) return found;
  report(Rule::kType, found.at,
         fmt::format("{}: '{}' is '{}', want one of {}", what_, key, printable(found.text), fmt::join(known, ", ")));
  return {"", found.at};
}

std::optional<double> Fields::number(std::string_view key) {
  const Node* node = find(key, Need::kOptional);
  if (node == nullptr) return {};
  double value = 0;
  const char* end = node->text.data() + node->text.size();
  const auto parsed = std::from_chars(node->text.data(), end, value);
  if (node->kind == Node::Kind::kScalar && !node->text.empty() && parsed.ec == std::errc() && parsed.ptr == end)
    return value;
  report(Rule::kType, node->at,
         fmt::format("{}: '{}' is {}, want a number", what_, key,
                     node->kind == Node::Kind::kScalar ? fmt::format("'{}'", printable(node->text))
                                                       : std::string(kind_name(node->kind))));
  return {};
}

const Node* Fields::find_list(std::string_view key, Need need) {
  const Node* node = find(key, need);
  if (node == nullptr) return nullptr;
  if (node->kind != Node::Kind::kList) {
    report(Rule::kType, node->at, fmt::format("{}: '{}' is {}, want a list", what_, key, kind_name(node->kind)));
    return nullptr;
  }
  if (node->items.empty() && need == Need::kOptional)
    report(Rule::kEmptyList, node->at,
           fmt::format("{}: '{}' is empty, want something in it or no such key", what_, key));
  return node;
}

std::vector<Name> Fields::names(std::string_view key, Need need) {
  std::vector<Name> out;
  const Node* list = find_list(key, need);
  if (list == nullptr) return out;
  for (const Node& item : list->items) {
    if (item.kind == Node::Kind::kScalar && !item.text.empty())
      out.push_back({item.text, item.at});
    else
      report(Rule::kType, item.at, fmt::format("{}: '{}' holds {}, want text", what_, key, kind_name(item.kind)));
  }
  return out;
}

std::vector<std::string> Fields::texts(std::string_view key, Need need) {
  std::vector<std::string> out;
  for (Name& name : names(key, need)) out.push_back(std::move(name.text));
  return out;
}

void Fields::each(std::string_view key, std::string_view item, Need need, const std::function<void(Fields&)>& read) {
  const Node* list = find_list(key, need);
  if (list == nullptr) return;
  for (const Node& node : list->items) {
    Fields fields(node, std::string(item), findings_);
    if (node.kind == Node::Kind::kMap) read(fields);
  }
}

}  // namespace tercet::contract
