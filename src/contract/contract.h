// Owns what a contract is: a claim about a part of the program, the equations behind it, and how to falsify it. Every part
// that can be referred to or complained about knows its place in the file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "contract/yaml.h"

namespace tercet::contract {

// A word that names something: an id, or a reference to one.
struct Name {
  std::string text;
  Mark at;
};

struct Reference {
  Name id;
  std::string title;
  std::string where;
};

// What was weighed when an amendment was made.
struct Alternative {
  std::string name;
  std::string verdict;  // chosen, rejected
  std::string reason;
};

struct Amendment {
  Name version;  // MAJOR.MINOR.PATCH, ascending
  std::string summary;
  std::vector<Alternative> alternatives;
};

// What stood in the way, and what became of it.
struct Blocker {
  Name id;
  Name raised_in;  // an amendment's version
  std::string summary;
  std::string outcome;
};

struct Equation {
  Name id;
  std::string formula;
  std::vector<std::string> preconditions;
  std::vector<std::string> postconditions;
  std::vector<std::string> invariants;
  std::vector<Name> references;
};

// An implementation stage.
struct Stage {
  Name id;
  std::string title;
  Name state;  // done, superseded, planned
  std::string note;
  std::vector<Name> tests;  // of ctest, or falsifiers
};

// A bound on one of a check's figures. What is not said (precision, backend, device) is any.
struct Threshold {
  Mark at;
  Name figure;
  std::optional<backend::Precision> precision;
  std::string backend;
  std::string device;  // a device_kind_name
  std::optional<double> at_most;
  std::optional<double> at_least;
  std::string unit;
  std::string reason;

  // Whether it speaks of this figure.
  bool covers(std::string_view name, const std::optional<backend::Precision>& of, std::string_view on,
              std::string_view kind) const {
    return figure.text == name && (!precision || precision == of) && (backend.empty() || backend == on) &&
           (device.empty() || device == kind);
  }
  // A NaN is within no bound.
  bool holds(double value) const {
    return (!at_most || value <= *at_most) && (!at_least || value >= *at_least) && value == value;
  }
};

enum class Effort { kQuick, kLong };

struct Falsifier {
  Name id;
  Name check;  // in the registry (check.h)
  std::string summary;
  std::vector<Name> backends;  // that it is tried on; empty: all of the contract's
  Effort effort = Effort::kQuick;
  std::vector<Threshold> thresholds;
};

struct Obligation {
  Name id;
  std::string claim;
  std::vector<Name> equations;
  std::vector<Name> falsifiers;
};

struct Contract {
  std::string path;  // as it was named
  std::string hash;  // SHA-256 of the file's bytes, in hexadecimal
  Name id;
  Name version;
  Name kind;  // forward, component
  std::string title;
  Name prefix;  // of its falsifiers' ids
  std::vector<Name> backends;
  Name parity;  // the falsifier that is the gate of a forward contract
  std::vector<Reference> references;
  std::vector<Amendment> amendments;
  std::vector<Blocker> blockers;
  std::vector<Equation> equations;
  std::vector<Obligation> obligations;
  std::vector<Stage> stages;
  std::vector<Falsifier> falsifiers;

  bool is_forward() const { return kind.text == "forward"; }
  const Falsifier* find_falsifier(std::string_view falsifier_id) const {
    for (const Falsifier& f : falsifiers)
      if (f.id.text == falsifier_id) return &f;
    return nullptr;
  }
};

}  // namespace tercet::contract
