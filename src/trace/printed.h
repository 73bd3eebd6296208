// Owns the text that llama.cpp's eval-callback prints: each tensor of a graph by name, shape and values, of which the middle
// of every dimension longer than six is left out. What is shown is compared.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/comparison.h"

namespace tercet::trace {

struct PrintedTensor {
  struct Value {
    int64_t index = 0;  // in the tensor, the first dimension being the fastest
    double value = 0;
    double half_unit = 0;  // of the last digit that was printed
  };
  std::array<int64_t, 4> shape = {};
  std::vector<Value> values;
  int64_t line = 0;  // of its name, from 1
  int64_t n_value() const;
};

class PrintedTrace {
 public:
  // Whether a line of it is a tensor's.
  static bool is_one(std::string_view text);
  // Tensors that are no taps are passed over; of a name that comes again (Qcur-0 before RoPE and behind it) the last counts.
  // `path` is for messages. Errors: kCorrupt, with the line.
  static Result<PrintedTrace> parse(const std::string& path, std::string_view text);

  const std::string& path() const { return path_; }
  const std::map<std::string, PrintedTensor>& tensors() const { return tensors_; }
  // The prompt, which newer versions print.
  const std::optional<std::vector<int32_t>>& tokens() const { return tokens_; }

 private:
  std::string path_;
  std::map<std::string, PrintedTensor> tensors_;
  std::optional<std::vector<int32_t>> tokens_;
};

// A run beside the printed one of the same n_token tokens. A tensor of one row is of the last token: llama.cpp leaves the others
// out behind the last layer's attention. A value is compared with the nearest one that would be printed alike.
class PrintedComparison final : public Comparison {
 public:
  // `wanted` must outlive it.
  PrintedComparison(const PrintedTrace& wanted, int64_t n_token) : wanted_(wanted), n_token_(n_token) {}
  void write(const backend::TapView& view) override;
  Result<std::vector<TapComparison>> finish() const override;

 private:
  const PrintedTrace& wanted_;
  int64_t n_token_;
  TapSums sums_;
  Status status_;
};

}  // namespace tercet::trace
