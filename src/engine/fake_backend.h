// Owns a backend for tests of the engine: it computes nothing, but it keeps tokens in KV pages and makes the next token
// of what it reads back through the page table, so that a wrong page, position, order or kLast becomes a wrong token.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "engine/request.h"

namespace tercet::engine {

struct FakeOptions {
  int n_vocab = 1000;
  int max_row = 16;
  int max_sequence = 8;
  int page_size = 4;
  int n_page = 64;
};

class FakeBackend : public backend::Backend {
 public:
  explicit FakeBackend(const FakeOptions& options);

  std::string_view name() const override { return "fake"; }
  std::string device() const override { return "none"; }
  const backend::Limits& limits() const override { return limits_; }
  Result<backend::Ticket> submit(const backend::Batch& batch, backend::TraceSink* trace) override;
  Status wait(backend::Ticket ticket, backend::StepResult& out) override;

  // The rule that makes the next token; by default a hash of everything that may decide it. What a mask forbids becomes
  // the next token that it allows.
  using Rule = std::function<TokenId(std::span<const TokenId> history, const backend::Output& output, TokenId last)>;
  Rule rule;

  // A copy of what was submitted, for tests to look at.
  struct Seen {
    struct Group {
      int slot, begin, n_row;
      bool draws;
      std::vector<backend::PageId> pages;
      int length;
    };
    std::vector<Group> groups;
    std::vector<backend::PageCopy> copies;
  };
  std::vector<Seen> seen;
  std::vector<std::string> violations;  // of the seam's promises
  size_t max_depth = 0;                 // steps in flight at once

  std::function<void()> on_wait;              // while a step is computed, if there is something to be done
  std::optional<int> fail_submit, fail_wait;  // at the step of this number, from 0

 private:
  struct Pending {
    backend::Ticket ticket;
    Seen shape;
    std::vector<backend::Row> rows;
    std::vector<backend::Output> outputs;
    std::vector<std::vector<backend::TokenCount>> counts;
    std::vector<std::vector<backend::TokenBias>> biases;
    std::vector<std::vector<uint32_t>> masks;
  };
  Seen describe(const backend::Batch& batch);
  void check(const Seen& step);
  void check_against(const Seen& step, const Seen& earlier);
  bool writes(const Seen::Group& group, backend::PageId page) const;
  bool writes(const Seen& step, backend::PageId page, const Seen::Group* but) const;
  bool reads(const Seen& step, backend::PageId page, const Seen::Group* but) const;
  TokenId& cell(const Seen::Group& group, int position);
  void expect(bool ok, std::string what);

  backend::Limits limits_;
  std::vector<TokenId> memory_;  // [n_page, page_size]
  std::vector<TokenId> last_;    // [max_sequence]
  std::deque<Pending> pending_;
  backend::Ticket next_ticket_ = 1;
  int n_wait_ = 0;
};

// The default rule, and what a request's output is when it is computed alone, with no end token and no stop string.
TokenId hash_rule(int n_vocab, std::span<const TokenId> history, const backend::Output& output, TokenId last);
std::vector<TokenId> alone(const Request& request, int n_vocab, int n_ctx);

}  // namespace tercet::engine
