// Owns the comparison of a run with a trace file, tap by tap, as the run goes: neither needs to fit in memory.
#pragma once

#include <vector>

#include "trace/comparison.h"
#include "trace/trace_file.h"

namespace tercet::trace {

class TraceComparison final : public Comparison {
 public:
  // `wanted` must outlive it. Taps that the file does not hold are not compared.
  explicit TraceComparison(const TraceFile& wanted) : wanted_(wanted) {}
  void write(const backend::TapView& view) override;
  Result<std::vector<TapComparison>> finish() const override;

 private:
  const TraceFile& wanted_;
  TapSums sums_;
  Status status_;
};

}  // namespace tercet::trace
