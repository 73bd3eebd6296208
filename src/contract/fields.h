// Owns how a map of the tree becomes a struct: each field is asked for by name and type, what is missing or of another
// type becomes a finding, and what was not asked for does in the end.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "contract/rules.h"

namespace tercet::contract {

enum class Need { kRequired, kOptional };

class Fields {
 public:
  // `what` stands for the map in messages: "falsifier". Both others must outlive it.
  Fields(const Node& node, std::string what, Findings& findings);
  // Reports the keys that were not asked for.
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  Mark at() const { return node_.at; }
  std::string text(std::string_view key, Need need = Need::kRequired) { return name(key, need).text; }
  Name name(std::string_view key, Need need = Need::kRequired);
  // One of `known`.
  Name choice(std::string_view key, std::initializer_list<std::string_view> known, Need need = Need::kRequired);
  std::optional<double> number(std::string_view key);
  std::vector<Name> names(std::string_view key, Need need = Need::kRequired);
  std::vector<std::string> texts(std::string_view key, Need need = Need::kOptional);
  // A list of maps.
  void each(std::string_view key, std::string_view item, Need need, const std::function<void(Fields&)>& read);

 private:
  const Node* find(std::string_view key, Need need);
  const Node* find_list(std::string_view key, Need need);
  void report(Rule rule, Mark at, std::string message) { findings_.push_back({rule, at, std::move(message)}); }

  const Node& node_;
  std::string what_;
  Findings& findings_;
  std::vector<bool> is_known_;  // of each key
};

}  // namespace tercet::contract
