#include "contract/run.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "contract/gates.h"

namespace tercet::contract {
namespace {

struct Task {
  const Contract* contract;
  const Falsifier* falsifier;
  const Check* check;
  const Asked* asked;  // null for a check of no backend
};

std::vector<Task> plan(const std::vector<Contract>& contracts, const std::vector<Asked>& asked) {
  std::vector<Task> tasks;
  for (const Contract& contract : contracts) {
    for (const Falsifier& falsifier : contract.falsifiers) {
      const Check* check = find_check(falsifier.check.text);
      if (applies_to(contract, falsifier, "")) tasks.push_back({&contract, &falsifier, check, nullptr});
      for (const Asked& backend : asked)
        if (applies_to(contract, falsifier, backend.name)) tasks.push_back({&contract, &falsifier, check, &backend});
    }
  }
  return tasks;
}

// Why it is not tried here; empty if it is.
std::string why_not(const Task& task, Depth depth) {
  if (task.asked != nullptr && !task.asked->subject) return task.asked->absent;
  if (task.falsifier->effort == Effort::kLong && depth == Depth::kQuick) return "takes longer than --quick allows";
  return "";
}

Evidence measure(const Task& task, const Context& context) {
  auto evidence = task.check->run(context);
  if (evidence) return *std::move(evidence);
  Evidence out;
  out.broken = evidence.error().message;
  return out;
}

}  // namespace

std::string_view depth_name(Depth depth) {
  return depth == Depth::kQuick ? "quick" : depth == Depth::kLong ? "long" : "usual";
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kHeld: return "HELD";
    case Outcome::kFalsified: return "FALSIFIED";
    case Outcome::kIncomplete: break;
  }
  return "INCOMPLETE";
}

// A check on backends is tried on the contract's, unless the falsifier names fewer; where a component names none, on all of them.
bool applies_to(const Contract& contract, const Falsifier& falsifier, const std::string& backend) {
  const Check* check = find_check(falsifier.check.text);
  if (check == nullptr || !check->on_backend || backend.empty())
    return check != nullptr && !check->on_backend && backend.empty();
  const auto has = [&](const std::vector<Name>& names) {
    return std::ranges::any_of(names, [&](const Name& name) { return name.text == backend; });
  };
  if (!falsifier.backends.empty()) return has(falsifier.backends);
  return contract.backends.empty() || has(contract.backends);
}

Summary summarize(const std::vector<Contract>& contracts, const std::vector<std::string>& asked,
                  const std::vector<Row>& rows) {
  Summary out;
  const auto any = [&](auto matches) { return std::ranges::any_of(rows, matches); };
  const auto is_held = [](const Row& row) { return row.judgement.verdict == Verdict::kHeld; };
  bool has_forward = false;
  for (const Contract& contract : contracts) has_forward = has_forward || contract.is_forward();
  if (has_forward && asked.empty()) out.missing.emplace_back("no backend was there to be asked");
  for (const std::string& backend : asked) {
    if (!has_forward) break;
    const bool held = any([&](const Row& row) {
      return is_held(row) && row.backend == backend && std::ranges::any_of(contracts, [&](const Contract& c) {
               return c.is_forward() && c.id.text == row.contract && c.parity.text == row.falsifier;
             });
    });
    if (!held) out.missing.push_back(fmt::format("the parity gate of {} was not held", backend));
  }
  for (const Row& row : rows) {
    const auto c = std::ranges::find_if(contracts, [&](const Contract& x) { return x.id.text == row.contract; });
    // A row has no kind of device where there is none.
    if (c != contracts.end() && !c->is_forward() && row.judgement.verdict == Verdict::kSkipped &&
        row.device_kind.empty() && std::ranges::find(asked, row.backend) != asked.end())
      out.missing.push_back(fmt::format("{} was not tried on {}", row.falsifier, row.backend));
  }
  for (const Contract& contract : contracts) {
    const auto of_it = [&](const Row& row) { return is_held(row) && row.contract == contract.id.text; };
    if (!has_forward && !any(of_it)) out.missing.push_back(fmt::format("nothing of {} was held", contract.id.text));
  }
  if (any([](const Row& row) { return row.judgement.verdict == Verdict::kFalsified; }))
    out.outcome = Outcome::kFalsified;
  else
    out.outcome = out.missing.empty() ? Outcome::kHeld : Outcome::kIncomplete;
  return out;
}

Result<std::vector<Row>> run_contracts(const std::vector<Contract>& contracts, const std::vector<Asked>& asked,
                                       const World& world, Depth depth, const Watcher& watcher) {
  const std::vector<Task> tasks = plan(contracts, asked);
  GateMemo gates;
  std::vector<Row> rows;
  for (const Task& task : tasks) {
    RETURN_IF_ERROR(world.go_on());
    const Subject* subject = task.asked != nullptr && task.asked->subject ? &*task.asked->subject : nullptr;
    Row row{
        task.contract->id.text, task.falsifier->id.text, task.asked != nullptr ? task.asked->name : "", "", {}, {}, 0};
    if (subject != nullptr) row.device_kind = backend::device_kind_name(subject->device.kind);
    if (watcher.begins) watcher.begins(row, rows.size(), tasks.size());
    const Stopwatch watch;
    row.evidence.skipped = why_not(task, depth);
    if (row.evidence.skipped.empty()) row.evidence = measure(task, {world, subject, gates});
    RETURN_IF_ERROR(world.go_on());
    row.seconds = watch.elapsed_ms() / 1e3;
    row.judgement = judge(*task.falsifier, row.evidence, row.backend, row.device_kind);
    if (watcher.ended) watcher.ended(row);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tercet::contract
