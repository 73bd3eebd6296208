#include "engine/fake_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace tercet::engine {
namespace {

uint64_t mix(uint64_t h, uint64_t x) {
  h ^= x + 0x9E3779B97F4A7C15 + (h << 6) + (h >> 2);
  h *= 0xBF58476D1CE4E5B9;
  return h ^ (h >> 29);
}

uint64_t count_hash(TokenId token, int n_output, bool in_prompt) {
  return mix(mix(mix(1, static_cast<uint64_t>(token)), static_cast<uint64_t>(n_output)), in_prompt ? 1 : 0);
}

TokenId next_allowed(TokenId token, std::span<const uint32_t> mask) {
  const size_t n = mask.size() * 32;
  for (size_t i = 0; i < n; ++i) {
    const size_t id = (static_cast<size_t>(token) + i) % n;
    if ((mask[id / 32] >> (id % 32) & 1U) != 0) return static_cast<TokenId>(id);
  }
  return token;
}

}  // namespace

TokenId hash_rule(int n_vocab, std::span<const TokenId> history, const backend::Output& output, TokenId last) {
  uint64_t h = mix(output.sampling.seed, output.random_counter);
  for (const TokenId token : history) h = mix(h, static_cast<uint64_t>(token));
  uint64_t counts = 0;  // a sum: their order is not promised
  bool last_counted = last < 0;
  for (const backend::TokenCount& count : output.counts) {
    const bool is_last = count.token == last;
    last_counted = last_counted || is_last;
    counts += count_hash(count.token, count.n_output + (is_last ? 1 : 0), count.in_prompt);
  }
  if (!last_counted && output.sampling.repeat_penalty != 1.0F) counts += count_hash(last, 1, false);
  for (const backend::TokenBias& bias : output.bias) h = mix(h, static_cast<uint64_t>(bias.token));
  return static_cast<TokenId>(mix(h, counts) % static_cast<uint64_t>(n_vocab));
}

std::vector<TokenId> alone(const Request& request, int n_vocab, int n_ctx) {
  const size_t n_prompt = request.prompt.size();
  const size_t room = static_cast<size_t>(n_ctx) - n_prompt;
  const size_t n_max = request.max_output ? std::min(static_cast<size_t>(*request.max_output), room) : room;
  std::vector<TokenId> history = request.prompt;
  backend::Output output;
  output.sampling = request.sampling;
  output.bias = request.bias;
  std::map<TokenId, backend::TokenCount> counts;
  for (const TokenId token : history) counts[token] = {token, 0, true};
  for (size_t i = 0; i < n_max; ++i) {
    std::vector<backend::TokenCount> list;
    for (const auto& [token, count] : counts) list.push_back(count);
    if (request.sampling.repeat_penalty != 1.0F) output.counts = list;
    output.random_counter = i;
    const TokenId token = hash_rule(n_vocab, history, output, -1);
    history.push_back(token);
    counts.try_emplace(token, backend::TokenCount{token, 0, false}).first->second.n_output++;
  }
  return {history.begin() + static_cast<std::ptrdiff_t>(n_prompt), history.end()};
}

FakeBackend::FakeBackend(const FakeOptions& options) {
  limits_.max_row = options.max_row;
  limits_.max_sequence = options.max_sequence;
  limits_.kv.page_size = options.page_size;
  limits_.kv.n_page = options.n_page;
  memory_.assign(static_cast<size_t>(options.n_page) * static_cast<size_t>(options.page_size), -7);
  last_.assign(static_cast<size_t>(options.max_sequence), -1);
  rule = [n = options.n_vocab](std::span<const TokenId> history, const backend::Output& output, TokenId last) {
    return hash_rule(n, history, output, last);
  };
}

void FakeBackend::expect(bool ok, std::string what) {
  if (!ok) violations.push_back(fmt::format("step {}: {}", seen.size(), what));
}

FakeBackend::Seen FakeBackend::describe(const backend::Batch& batch) {
  Seen step;
  step.copies.assign(batch.page_copies.begin(), batch.page_copies.end());
  for (const backend::Sequence& s : batch.sequences)
    step.groups.push_back({s.slot, -1, 0, false, {s.pages.begin(), s.pages.end()}, s.length});
  int32_t previous = -1;
  for (const backend::Row& row : batch.rows) {
    expect(row.sequence == previous || row.sequence == previous + 1, "rows are not grouped by sequence");
    Seen::Group& group = step.groups[static_cast<size_t>(row.sequence)];
    if (group.n_row == 0) group.begin = row.position;
    expect(row.position == group.begin + group.n_row, "positions of a sequence are not consecutive");
    ++group.n_row;
    previous = row.sequence;
  }
  int32_t last_row = -1;
  for (const backend::Output& output : batch.outputs) {
    expect(output.row > last_row, "outputs do not ascend");
    last_row = output.row;
    const backend::Row& row = batch.rows[static_cast<size_t>(output.row)];
    Seen::Group& group = step.groups[static_cast<size_t>(row.sequence)];
    expect(row.position == group.length - 1, "an output is not at its sequence's end");
    group.draws = true;
  }
  return step;
}

bool FakeBackend::writes(const Seen::Group& group, backend::PageId page) const {
  for (int i = group.begin / limits_.kv.page_size; i * limits_.kv.page_size < group.length; ++i)
    if (group.pages[static_cast<size_t>(i)] == page) return true;
  return false;
}

bool FakeBackend::writes(const Seen& step, backend::PageId page, const Seen::Group* but) const {
  return std::any_of(step.groups.begin(), step.groups.end(), [&](const Seen::Group& group) {
    return (but == nullptr || group.slot != but->slot) && writes(group, page);
  });
}

bool FakeBackend::reads(const Seen& step, backend::PageId page, const Seen::Group* but) const {
  return std::any_of(step.groups.begin(), step.groups.end(), [&](const Seen::Group& group) {
    return (but == nullptr || group.slot != but->slot) &&
           std::find(group.pages.begin(), group.pages.end(), page) != group.pages.end();
  });
}

// Pages may be shared by those who read them; whoever writes to one has it alone, also of the steps in flight.
void FakeBackend::check(const Seen& step) {
  std::set<int> slots;
  int n_row = 0;
  bool saw_prefill = false;
  for (const Seen::Group& group : step.groups) {
    n_row += group.n_row;
    expect(group.n_row > 0, "a sequence has no rows");
    expect(group.length == group.begin + group.n_row, "a length is not the last position's");
    expect(slots.insert(group.slot).second, "a slot is there twice");
    expect(group.slot >= 0 && group.slot < limits_.max_sequence, "a slot is out of range");
    expect(static_cast<int>(group.pages.size()) * limits_.kv.page_size >= group.length, "a page table is too short");
    for (const backend::PageId page : group.pages) {
      expect(page >= 0 && page < limits_.kv.n_page, "a page is out of range");
      expect(std::count(group.pages.begin(), group.pages.end(), page) == 1, "a page is twice in a table");
      expect(!writes(group, page) || !reads(step, page, &group), "a page that is written to is shared");
    }
    expect(!saw_prefill || group.n_row > 1 || !group.draws, "a decode row comes after prefill");
    saw_prefill = saw_prefill || group.n_row > 1;
  }
  expect(n_row > 0 && n_row <= limits_.max_row, "too many rows, or none");
  for (const backend::PageCopy& copy : step.copies) {
    expect(copy.from != copy.to && !writes(step, copy.from, nullptr), "a page is copied and written to");
    expect(std::any_of(step.groups.begin(), step.groups.end(),
                       [&](const Seen::Group& group) { return writes(group, copy.to); }),
           "a page is copied for nobody");
    for (const backend::PageCopy& other : step.copies)
      expect(other.to != copy.from && (&other == &copy || other.to != copy.to), "copies depend on their order");
  }
  for (const Pending& earlier : pending_) check_against(step, earlier.shape);
}

void FakeBackend::check_against(const Seen& step, const Seen& earlier) {
  for (const backend::PageCopy& copy : step.copies) {
    expect(!writes(earlier, copy.from, nullptr), "a page is copied while a step in flight writes to it");
    expect(!reads(earlier, copy.to, nullptr), "a page is copied to while a step in flight uses it");
  }
  for (const Seen::Group& now : step.groups) {
    for (const Seen::Group& then : earlier.groups)
      expect(now.slot != then.slot || now.begin == then.length, "a slot was given away while a step in flight uses it");
    for (const backend::PageId page : now.pages) {
      const bool is_written = writes(now, page) && reads(earlier, page, &now);
      expect(!is_written && !writes(earlier, page, &now), "a page was given away while a step in flight uses it");
      const bool is_source = std::any_of(earlier.copies.begin(), earlier.copies.end(),
                                         [&](const backend::PageCopy& copy) { return copy.from == page; });
      expect(!is_source || !writes(now, page), "a page is written to while a step in flight copies it");
    }
  }
}

TokenId& FakeBackend::cell(const Seen::Group& group, int position) {
  const auto page = static_cast<size_t>(group.pages[static_cast<size_t>(position / limits_.kv.page_size)]);
  const auto page_size = static_cast<size_t>(limits_.kv.page_size);
  return memory_[page * page_size + static_cast<size_t>(position) % page_size];
}

Result<backend::Ticket> FakeBackend::submit(const backend::Batch& batch, backend::TraceSink*) {
  if (fail_submit && static_cast<int>(seen.size()) == *fail_submit) return error(Code::kDevice, "fake: submit failed");
  Pending step{.ticket = next_ticket_++,
               .shape = describe(batch),
               .rows = {},
               .outputs = {},
               .counts = {},
               .biases = {},
               .masks = {}};
  check(step.shape);
  step.rows.assign(batch.rows.begin(), batch.rows.end());
  for (const backend::Output& output : batch.outputs) {
    step.counts.emplace_back(output.counts.begin(), output.counts.end());
    step.biases.emplace_back(output.bias.begin(), output.bias.end());
    step.masks.emplace_back(output.mask.begin(), output.mask.end());
    step.outputs.push_back(output);
  }
  seen.push_back(step.shape);
  pending_.push_back(std::move(step));
  max_depth = std::max(max_depth, pending_.size());
  expect(pending_.size() <= 2, "more than two steps in flight");
  return pending_.back().ticket;
}

Status FakeBackend::wait(backend::Ticket ticket, backend::StepResult& out) {
  if (fail_wait && n_wait_++ == *fail_wait) return error(Code::kDevice, "fake: wait failed");
  if (on_wait) on_wait();
  expect(!pending_.empty() && pending_.front().ticket == ticket, "a step was waited for out of order");
  Pending step = std::move(pending_.front());
  pending_.pop_front();
  const auto page_size = limits_.kv.page_size;
  for (const backend::PageCopy& copy : step.shape.copies)
    std::copy_n(memory_.begin() + copy.from * page_size, page_size, memory_.begin() + copy.to * page_size);
  std::vector<TokenId> used_last(step.rows.size(), -1);
  for (size_t i = 0; i < step.rows.size(); ++i) {
    backend::Row& row = step.rows[i];
    const Seen::Group& group = step.shape.groups[static_cast<size_t>(row.sequence)];
    if (row.token == backend::kLast) row.token = used_last[i] = last_[static_cast<size_t>(group.slot)];
    cell(group, row.position) = row.token;
  }
  out.outputs.assign(step.outputs.size(), {});
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    backend::Output& output = step.outputs[i];
    output.counts = step.counts[i];
    output.bias = step.biases[i];
    output.mask = step.masks[i];
    const backend::Row& row = step.rows[static_cast<size_t>(output.row)];
    const Seen::Group& group = step.shape.groups[static_cast<size_t>(row.sequence)];
    std::vector<TokenId> history;
    for (int p = 0; p <= row.position; ++p) history.push_back(cell(group, p));
    TokenId token = rule(history, output, used_last[static_cast<size_t>(output.row)]);
    token = next_allowed(token, output.mask);
    out.outputs[i].token = last_[static_cast<size_t>(group.slot)] = token;
    for (int k = 0; k < output.n_logprob; ++k) out.outputs[i].top.push_back({k, -1.0F - static_cast<float>(k)});
    if (output.n_logprob > 0) out.outputs[i].logprob = -0.5F;
  }
  return {};
}

}  // namespace tercet::engine
