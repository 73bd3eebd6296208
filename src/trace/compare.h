// Owns the comparison of a run with a trace file, tap by tap, as the run goes: neither needs to fit in memory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/taps.h"
#include "trace/measure.h"
#include "trace/trace_file.h"

namespace tercet::trace {

struct TapComparison {
  std::string name;  // TAP-LAYER
  bool is_ids = false;
  Result<Agreement> values = Agreement{};  // of values; an error where they cannot be compared
  int64_t n_id = 0;
  int64_t n_different_id = 0;
  bool within(double bound) const {
    return is_ids ? n_different_id == 0 : values.has_value() && values->relative_l2 <= bound;
  }
};

class TraceComparison final : public backend::TraceSink {
 public:
  // `wanted` must outlive it. Taps that the file does not hold are not compared.
  explicit TraceComparison(const TraceFile& wanted) : wanted_(wanted) {}

  void set_position(int64_t position) { position_ = position; }
  bool wants(backend::Tap) const override { return true; }
  void write(const backend::TapView& view) override;

  // In the order of the forward pass. Errors: kInvalidArgument if the file's tensors have another shape than the run's,
  // or if there was nothing to compare.
  Result<std::vector<TapComparison>> finish() const;

 private:
  struct Entry {
    bool is_ids = false;
    AgreementSum sum;
    int64_t n_id = 0;
    int64_t n_different_id = 0;
  };
  const TraceFile& wanted_;
  int64_t position_ = 0;
  std::vector<std::string> order_;
  std::map<std::string, Entry> entries_;
  Status status_;
};

}  // namespace tercet::trace
