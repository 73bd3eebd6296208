// Owns the numbered rules that a contract is held to. A number, once given, keeps its meaning: scripts may look for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "contract/yaml.h"

namespace tercet::contract {

enum class Rule {
  kReadable = 1,        // C001 a YAML document within the limits
  kType = 2,            // C002 a value of another type, or not one of those that are known
  kUnknownKey = 3,      // C003
  kMissingField = 4,    // C004
  kDuplicateKey = 5,    // C005
  kIdClash = 6,         // C006 two things of one name
  kIdForm = 7,          // C007 an id, prefix or version that is not formed as they are
  kUnproven = 8,        // C008 an obligation with no falsifier
  kNeedless = 9,        // C009 a falsifier that no obligation needs
  kBareThreshold = 10,  // C010 a threshold without unit or reason
  kUntestedStage = 11,  // C011 a stage that is done without a test
  kOrder = 12,          // C012 amendments out of order, or a version that is not the last one's
  kDangling = 13,       // C013 a reference to what is not there
  kCheck = 14,          // C014 a falsifier whose check the program does not have
  kFigure = 15,  // C015 a threshold on a figure that the check does not give, or a check whose figures are unbounded
  kBound = 16,   // C016 a threshold without exactly one bound, or one that is no finite number
  kParity = 17,  // C017 a forward contract without its parity gate, or a component with one
  kUnusedEquation = 101,   // C101 (warning) an equation that no obligation rests on
  kUnusedReference = 102,  // C102 (warning) a reference that nothing cites
  kEmptyList = 103,        // C103 (warning) a list with nothing in it
};

constexpr bool is_warning(Rule rule) { return static_cast<int>(rule) > 100; }

struct Finding {
  Rule rule;
  Mark at;
  std::string message;
};
using Findings = std::vector<Finding>;

// "contracts/x.yaml:12:5: error C013: ..."
std::string describe(std::string_view path, const Finding& finding);
int count_errors(const Findings& findings);
int count_warnings(const Findings& findings);

}  // namespace tercet::contract
