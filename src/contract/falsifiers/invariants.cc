// What may not change a row: later tokens, the batch's order, how a prompt is cut, where its pages lie, who else is there,
// and the time of day.
#include <algorithm>
#include <bit>

#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"
#include "trace/replay.h"

namespace tercet::contract {
namespace {

using backend::PageId;
using backend::Precision;

// Long enough that a sequence has two pages.
constexpr int kLength = 70;
constexpr int kOther = 23;

// One sequence of a step.
struct Member {
  std::span<const TokenId> ids;  // all of its rows, from position 0
  std::vector<PageId> pages;
};

// All rows of all members in one step; the logits of each.
Result<std::vector<std::vector<float>>> run_together(backend::Backend& backend, const std::vector<Member>& members) {
  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> sequences;
  for (size_t m = 0; m < members.size(); ++m) {
    const int n = static_cast<int>(members[m].ids.size());
    for (int i = 0; i < n; ++i) rows.push_back({members[m].ids[static_cast<size_t>(i)], i, static_cast<int32_t>(m)});
    sequences.push_back({static_cast<int32_t>(m), n, members[m].pages});
  }
  std::vector<backend::Output> outputs(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    outputs[r].row = static_cast<int>(r);
    outputs[r].sample = false;
    outputs[r].logits = true;
  }
  ASSIGN_OR_RETURN(const std::vector<float> all, run_batch(backend, {rows, sequences, {}, outputs}));
  std::vector<std::vector<float>> out;
  const size_t width = all.size() / rows.size();
  auto at = all.begin();
  for (const Member& member : members) {
    const auto n = static_cast<std::ptrdiff_t>(member.ids.size() * width);
    out.emplace_back(at, at + n);
    at += n;
  }
  return out;
}

class Trial {
 public:
  Trial(backend::Backend& backend, std::span<const TokenId> ids) : backend_(backend), ids_(ids) {}

  Status run(Evidence& out, Precision precision) {
    const std::vector<PageId> low = {0, 1}, high = {5, 2};
    ASSIGN_OR_RETURN(const auto base, run_together(backend_, {{ids_, low}}));
    base_ = base[0];

    std::vector<TokenId> changed(ids_.begin(), ids_.end());
    std::swap(changed.back(), changed[changed.size() / 3]);
    const size_t same = changed.size() / 3;  // tokens before the first that differs
    ASSIGN_OR_RETURN(const auto other, run_together(backend_, {{changed, low}}));
    const size_t n_same = same * (base_.size() / ids_.size());
    out.add("causality", precision, distance(std::span(other[0]).first(n_same), std::span(base_).first(n_same)));

    ASSIGN_OR_RETURN(const auto moved, run_together(backend_, {{ids_, high}}));
    out.add("pages", precision, distance(moved[0], base_));
    RETURN_IF_ERROR(cut(out, precision, high));
    return keep_company(out, precision);
  }

 private:
  // 64 is a page's end: pieces across it, and rows alone.
  Status cut(Evidence& out, Precision precision, const std::vector<PageId>& pages) {
    double worst = 0;
    std::string where;
    for (const std::vector<int>& pieces : {std::vector<int>{1, 30, 2, 30, 1, 1, 1}, std::vector<int>{63, 1, 1}}) {
      std::vector<float> logits;
      int first = 0;
      for (size_t p = 0; first < static_cast<int>(ids_.size()); ++p) {
        const int left = static_cast<int>(ids_.size()) - first;
        const int n = p < pieces.size() ? std::min(pieces[p], left) : left;
        ASSIGN_OR_RETURN(const auto step, run_rows(backend_, ids_, first, n, nullptr, pages));
        logits.insert(logits.end(), step.begin(), step.end());
        first += n;
      }
      const double d = distance(logits, base_);
      if (d <= worst && !where.empty()) continue;
      worst = d;
      where = fmt::format("pieces of {}", fmt::join(pieces, ", "));
    }
    out.add("chunking", precision, worst, where);
    return {};
  }

  Status keep_company(Evidence& out, Precision precision) {
    const auto other = ids_.subspan(ids_.size() - kOther, kOther);
    const Member a{ids_, {0, 4}}, b{other, {3}}, c{ids_.first(5), {2}};
    ASSIGN_OR_RETURN(const auto first, run_together(backend_, {a, b, c}));
    ASSIGN_OR_RETURN(const auto turned, run_together(backend_, {c, b, a}));
    ASSIGN_OR_RETURN(const auto alone, run_together(backend_, {b}));
    const double permuted =
        std::max({distance(turned[0], first[2]), distance(turned[1], first[1]), distance(turned[2], first[0])});
    out.add("permutation", precision, permuted);
    out.add("company", precision, std::max(distance(first[0], base_), distance(first[1], alone[0])));
    return {};
  }

  backend::Backend& backend_;
  std::span<const TokenId> ids_;
  std::vector<float> base_;
};

int64_t count_different(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return std::ssize(a) + std::ssize(b);
  int64_t n = 0;
  for (size_t i = 0; i < a.size(); ++i) n += std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i]) ? 1 : 0;
  return n;
}

}  // namespace

// Figures, each the relative L2 of logits that should be the same, 0 where every bit is: `causality` (a later token is
// another), `permutation` (of the sequences in a batch), `chunking` (of the prompt into steps), `pages` (where they lie),
// `company` (other sequences in the step).
Result<Evidence> check_invariants(const Context& context) {
  Evidence out;
  ASSIGN_OR_RETURN(const Text text, shipped_text(context.world, kLength));
  for (const Precision precision : precisions_of(context, out)) {
    RETURN_IF_ERROR(context.world.go_on());
    context.world.say(std::string(backend::precision_name(precision)));
    const auto options = options_for(2 * kLength, precision, context.world.n_thread, 3);
    ASSIGN_OR_RETURN(const auto backend, start(*context.subject, context.world.model, options));
    RETURN_IF_ERROR(Trial(*backend, text.ids).run(out, precision));
  }
  return out;
}

// Figures, each a number of logits that have other bits: `between_runs` of one backend, prompt and single rows, thrice over
// the same places; `between_backends`, made anew with another number of threads; `with_trace`, of a step that is traced.
Result<Evidence> check_determinism(const Context& context) {
  Evidence out;
  ASSIGN_OR_RETURN(const Text text, shipped_text(context.world, 40));
  const std::span<const TokenId> ids = text.ids;
  const int n_prompt = static_cast<int>(ids.size()) - 2;
  const auto run_all = [&](backend::Backend& backend, backend::TraceSink* trace) -> Result<std::vector<float>> {
    ASSIGN_OR_RETURN(auto logits, run_rows(backend, ids, 0, n_prompt, trace));
    for (int i = n_prompt; i < std::ssize(ids); ++i) {
      ASSIGN_OR_RETURN(const auto step, run_rows(backend, ids, i, 1, trace));
      logits.insert(logits.end(), step.begin(), step.end());
    }
    return logits;
  };
  for (const Precision precision : precisions_of(context, out)) {
    RETURN_IF_ERROR(context.world.go_on());
    context.world.say(std::string(backend::precision_name(precision)));
    const int n_token = static_cast<int>(ids.size());
    ASSIGN_OR_RETURN(const auto one, start(*context.subject, context.world.model, options_for(n_token, precision, 1)));
    ASSIGN_OR_RETURN(const auto many, start(*context.subject, context.world.model, options_for(n_token, precision, 3)));
    ASSIGN_OR_RETURN(const auto first, run_all(*one, nullptr));
    int64_t between_runs = 0;
    for (int round = 0; round < 2; ++round) {
      ASSIGN_OR_RETURN(const auto again, run_all(*one, nullptr));
      between_runs += count_different(again, first);
    }
    trace::Recording taps;
    ASSIGN_OR_RETURN(const auto traced, run_all(*one, &taps));
    ASSIGN_OR_RETURN(const auto other, run_all(*many, nullptr));
    const auto logits_tap = taps.taps().find({backend::Tap::kResultOutput, -1});
    int64_t with_trace = count_different(traced, first);
    if (logits_tap != taps.taps().end()) with_trace += count_different(logits_tap->second.f32, first);
    out.add("between_runs", precision, static_cast<double>(between_runs));
    out.add("between_backends", precision, static_cast<double>(count_different(other, first)));
    out.add("with_trace", precision, static_cast<double>(with_trace));
  }
  return out;
}

}  // namespace tercet::contract
