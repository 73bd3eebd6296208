// The KV cache: what was computed once may be used again, by another sequence, on another page, while steps are in flight.
#include <algorithm>
#include <array>
#include <random>

#include "backend/kv_pages.h"
#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"
#include "trace/measure.h"

namespace tercet::contract {
namespace {

using backend::PageId;
using backend::Precision;

constexpr int kPrefix = 64;  // one page
constexpr int kSuffix = 9;

backend::Output with_logits(int row) {
  backend::Output output;
  output.row = row;
  output.sample = false;
  output.logits = true;
  return output;
}

// The suffix behind a prefix whose page the table names first.
Result<std::vector<float>> run_suffix(backend::Backend& backend, std::span<const TokenId> ids,
                                      const std::vector<PageId>& pages, std::span<const backend::PageCopy> copies) {
  std::vector<backend::Row> rows;
  std::vector<backend::Output> outputs;
  for (int i = 0; i < kSuffix; ++i) {
    rows.push_back({ids[static_cast<size_t>(kPrefix + i)], kPrefix + i, 0});
    outputs.push_back(with_logits(i));
  }
  const backend::Sequence sequence{1, kPrefix + kSuffix, pages};
  return run_batch(backend, {rows, {&sequence, 1}, copies, outputs});
}

// Two sequences greedily, three tokens each. In flight a row's token is the one that its slot sampled last and that the host
// has not seen; else it is given. -1 where the two disagree.
Result<std::vector<TokenId>> decode_two(backend::Backend& backend, std::span<const TokenId> ids, bool in_flight) {
  const std::array<PageId, 2> pages = {2, 3};
  const int lengths[] = {5, 3};
  std::vector<TokenId> out;
  std::array<TokenId, 2> last = {-1, -1};
  backend::Ticket before = 0;
  const auto collect = [&](backend::Ticket ticket) -> Status {
    backend::StepResult result;
    RETURN_IF_ERROR(backend.wait(ticket, result));
    for (size_t s = 0; s < 2; ++s) {
      last[s] = result.outputs[s].token;
      out.push_back(last[s]);
    }
    return {};
  };
  for (int step = 0; step < 4; ++step) {
    std::vector<backend::Row> rows;
    std::vector<backend::Output> outputs(2);
    std::vector<backend::Sequence> sequences;
    for (int32_t s = 0; s < 2; ++s) {
      const int n = lengths[s];
      for (int i = 0; step == 0 && i < n; ++i) rows.push_back({ids[static_cast<size_t>(7 * s + i)], i, s});
      if (step > 0) rows.push_back({in_flight ? backend::kLast : last[static_cast<size_t>(s)], n + step - 1, s});
      outputs[static_cast<size_t>(s)].row = static_cast<int>(rows.size()) - 1;
      sequences.push_back({s + 1, n + step, std::span(pages).subspan(static_cast<size_t>(s), 1)});
    }
    ASSIGN_OR_RETURN(const backend::Ticket ticket, backend.submit({rows, sequences, {}, outputs}, nullptr));
    if (!in_flight) {
      RETURN_IF_ERROR(collect(ticket));
      continue;
    }
    if (step > 0) RETURN_IF_ERROR(collect(before));
    before = ticket;
  }
  if (in_flight) RETURN_IF_ERROR(collect(before));
  return out;
}

}  // namespace

// Figures: `prefix`, the relative L2 of a suffix's logits behind a prefix that another sequence computed, beside those behind
// one of its own (0: every bit the same); `copy`, the same behind a copied page; `in_flight`, greedy tokens of two sequences that are
// others when each row's token is one that the host has not seen.
Result<Evidence> check_kv(const Context& context) {
  Evidence out;
  ASSIGN_OR_RETURN(const Text text, shipped_text(context.world, kPrefix + kSuffix));
  const std::span<const TokenId> ids = text.ids;
  if (std::ssize(ids) < kPrefix + kSuffix) {
    out.skipped = fmt::format("a context of {}, want {}", ids.size(), kPrefix + kSuffix);
    return out;
  }
  for (const Precision precision : precisions_of(context, out)) {
    RETURN_IF_ERROR(context.world.go_on());
    context.world.say(std::string(backend::precision_name(precision)));
    const auto options = options_for(kPrefix + kSuffix, precision, context.world.n_thread, 4);
    ASSIGN_OR_RETURN(const auto backend, start(*context.subject, context.world.model, options));
    RETURN_IF_ERROR(run_rows(*backend, ids, 0, kPrefix, nullptr, std::array<PageId, 2>{0, 1}));
    ASSIGN_OR_RETURN(const auto own, run_suffix(*backend, ids, {0, 1}, {}));
    ASSIGN_OR_RETURN(const auto shared, run_suffix(*backend, ids, {0, 5}, {}));
    const backend::PageCopy copy{0, 4};
    ASSIGN_OR_RETURN(const auto copied, run_suffix(*backend, ids, {4, 6}, {&copy, 1}));
    out.add("prefix", precision, distance(shared, own));
    out.add("copy", precision, distance(copied, own));
    ASSIGN_OR_RETURN(const auto given, decode_two(*backend, ids, false));
    ASSIGN_OR_RETURN(const auto in_flight, decode_two(*backend, ids, true));
    int64_t n = given.size() == in_flight.size() ? 0 : std::ssize(given);
    for (size_t i = 0; n == 0 && i < given.size(); ++i) n += given[i] != in_flight[i] ? 1 : 0;
    out.add("in_flight", precision, static_cast<double>(n));
  }
  return out;
}

// Figure: `violations` of the book of pages in a random walk: a page that is handed out twice, lost, or free too soon.
Result<Evidence> check_kv_book(const Context&) {
  constexpr int kPages = 17;
  backend::PagePool pool(kPages);
  std::mt19937 random(20260702);
  std::vector<int> owners(kPages);
  int64_t violations = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto page = static_cast<size_t>(random() % kPages);
    const bool is_held = owners[page] > 0;
    switch (random() % 3) {
      case 0: {
        const PageId got = pool.allocate();
        const bool is_full = std::ranges::all_of(owners, [](int n) { return n > 0; });
        if ((got < 0) != is_full || (got >= 0 && owners[static_cast<size_t>(got)] != 0)) ++violations;
        if (got >= 0) owners[static_cast<size_t>(got)] = 1;
        break;
      }
      case 1:
        if (is_held && owners[page] < 9) pool.retain(static_cast<PageId>(page)), ++owners[page];
        break;
      default:
        if (is_held) pool.release(static_cast<PageId>(page)), --owners[page];
        break;
    }
    const auto n_free = std::ranges::count(owners, 0);
    violations += pool.n_free() != n_free || pool.n_owner(static_cast<PageId>(page)) != owners[page] ? 1 : 0;
  }
  Evidence out;
  out.add("violations", {}, static_cast<double>(violations), "20000 steps");
  return out;
}

}  // namespace tercet::contract
