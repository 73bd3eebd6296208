// Owns what a comparison of a run with another is, whatever form the other is in: a sink of the run's taps, and what came of
// each.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/taps.h"
#include "trace/measure.h"

namespace tercet::trace {

struct TapComparison {
  std::string name;  // TAP-LAYER
  bool is_ids = false;
  Result<Agreement> values = Agreement{};  // of values; an error where they cannot be compared
  int64_t n_id = 0;
  int64_t n_different_id = 0;
  int64_t n_value = 0;  // how many values or ids the other had, of which there may be fewer than the run computed
  bool within(double bound) const {
    return is_ids ? n_different_id == 0 : values.has_value() && values->relative_l2 <= bound;
  }
};

class Comparison : public backend::TraceSink {
 public:
  // The next step's rows begin at this position of the prompt; each of its rows must be an output with logits.
  void set_position(int64_t position) { position_ = position; }
  bool wants(backend::Tap) const override { return true; }
  // In the order of the forward pass. Errors: kInvalidArgument if the other's tensors have another shape than the run's,
  // or if there was nothing to compare.
  virtual Result<std::vector<TapComparison>> finish() const = 0;

 protected:
  int64_t position() const { return position_; }

 private:
  int64_t position_ = 0;
};

// What both forms sum up, tap by tap in the order in which they come.
class TapSums {
 public:
  struct Entry {
    bool is_ids = false;
    AgreementSum sum;
    int64_t n_value = 0;
    int64_t n_different_id = 0;
  };
  Entry& at(const std::string& name, bool is_ids) {
    const auto [found, is_new] = entries_.try_emplace(name);
    if (is_new) order_.push_back(name);
    found->second.is_ids = is_ids;
    return found->second;
  }
  std::vector<TapComparison> all() const {
    std::vector<TapComparison> out;
    for (const std::string& name : order_) {
      const Entry& e = entries_.at(name);
      out.push_back({name, e.is_ids, e.is_ids ? Result<Agreement>(Agreement{}) : e.sum.result(),
                     e.is_ids ? e.n_value : 0, e.n_different_id, e.n_value});
    }
    return out;
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, Entry> entries_;
};

}  // namespace tercet::trace
