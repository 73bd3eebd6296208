#include "support/demo.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>

#include "gguf/gguf.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

[[noreturn]] void give_up(const std::string& message) {
  std::cerr << message << "\n";
  std::abort();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<TokenId> ids_of(const json::value& array) { return json::value_to<std::vector<TokenId>>(array); }

}  // namespace

// The environment's TERCET_SOURCE_DIR wins: a test program may run where it was not built.
std::string source_path(const std::string& relative) {
  const char* elsewhere = std::getenv("TERCET_SOURCE_DIR");
  return std::string(elsewhere != nullptr ? elsewhere : TERCET_SOURCE_DIR) + "/" + relative;
}

std::shared_ptr<const model::Model> open_model(const std::string& path) {
  auto file = gguf::File::open(path);
  if (!file) give_up(file.error().message);
  auto model = model::load_model(std::move(*file));
  if (!model) give_up(model.error().message);
  return *model;
}

std::shared_ptr<const model::Model> demo_model() {
  static const auto model = open_model(source_path("models/demo-moe-coder-34m-q4_k_m.gguf"));
  return model;
}

const std::vector<GoldenCase>& golden_cases() {
  static const auto cases = [] {
    const json::value root = json::parse(read_file(source_path("contracts/data/demo/reference.json")));
    std::vector<GoldenCase> all;
    for (const auto& [name, value] : root.at("cases").as_object()) {
      GoldenCase golden{std::string(name), ids_of(value.at("ids")), ids_of(value.at("greedy_ids")), {}};
      const std::string bytes = read_file(source_path("contracts/data/demo/" + golden.name + ".logits.f32"));
      golden.logits.resize(bytes.size() / sizeof(float));
      std::memcpy(golden.logits.data(), bytes.data(), golden.logits.size() * sizeof(float));
      all.push_back(std::move(golden));
    }
    return all;
  }();
  return cases;
}

backend::Options options_for(int n_token, backend::Precision precision, int n_thread) {
  backend::Options options;
  options.precision = precision;
  options.n_thread = n_thread;
  options.max_row = std::max(n_token, 1);
  options.max_sequence = 8;
  options.n_page = n_token / backend::KvLayout{}.page_size + 1;
  return options;
}

std::unique_ptr<backend::Backend> make_backend(const backend::Factory& factory,
                                               std::shared_ptr<const model::Model> model,
                                               const backend::Options& options) {
  auto backend = factory.make(std::move(model), options);
  if (!backend) give_up(backend.error().message);
  return *std::move(backend);
}

std::vector<float> run_step(backend::Backend& backend, std::span<const TokenId> ids, int first, int n,
                            backend::TraceSink* trace) {
  std::vector<backend::PageId> pages(static_cast<size_t>(backend.limits().kv.n_page));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<backend::Row> rows;
  std::vector<backend::Output> outputs;
  const auto step_ids = ids.subspan(static_cast<size_t>(first), static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    rows.push_back({step_ids[static_cast<size_t>(i)], first + i, 0});
    backend::Output& output = outputs.emplace_back();
    output.row = i;
    output.sample = false;
    output.logits = true;
  }
  const backend::Sequence sequence{0, first + n, pages};
  const auto ticket = backend.submit({rows, {&sequence, 1}, {}, outputs}, trace);
  backend::StepResult result;
  const Status status = ticket ? backend.wait(*ticket, result) : Status(tl::make_unexpected(ticket.error()));
  if (!status) give_up(status.error().message);
  std::vector<float> logits;
  for (const auto& output : result.outputs) logits.insert(logits.end(), output.logits.begin(), output.logits.end());
  return logits;
}

std::vector<float> run_prompt(backend::Backend& backend, std::span<const TokenId> ids, std::span<const int> splits,
                              backend::TraceSink* trace) {
  const int whole[] = {static_cast<int>(ids.size())};
  if (splits.empty()) splits = whole;
  std::vector<float> logits;
  int first = 0;
  for (const int n : splits) {
    const auto step = run_step(backend, ids, first, n, trace);
    logits.insert(logits.end(), step.begin(), step.end());
    first += n;
  }
  return logits;
}

std::vector<TokenId> run_greedy(backend::Backend& backend, std::span<const TokenId> ids, int n) {
  std::vector<backend::PageId> pages(static_cast<size_t>(backend.limits().kv.n_page));
  std::iota(pages.begin(), pages.end(), 0);
  const auto submit = [&](std::vector<backend::Row> rows) {
    backend::Output output;
    output.row = static_cast<int>(rows.size()) - 1;
    const backend::Sequence sequence{3, rows.back().position + 1, pages};
    return *backend.submit({rows, {&sequence, 1}, {}, {&output, 1}}, nullptr);
  };
  std::vector<backend::Row> prompt;
  for (size_t i = 0; i < ids.size(); ++i) prompt.push_back({ids[i], static_cast<int>(i), 0});
  std::vector<TokenId> out;
  backend::Ticket first = submit(prompt);
  for (int i = 0; i < n; ++i) {
    const backend::Ticket next = submit({{backend::kLast, static_cast<int>(ids.size()) + i, 0}});
    backend::StepResult result;
    if (const Status status = backend.wait(first, result); !status) give_up(status.error().message);
    out.push_back(result.outputs.at(0).token);
    first = next;
  }
  backend::StepResult dropped;
  if (const Status status = backend.wait(first, dropped); !status) give_up(status.error().message);
  return out;
}

std::vector<TokenId> long_prompt(int n) {
  std::ifstream file(source_path("contracts/data/demo/long.ids"));
  std::vector<TokenId> ids{std::istream_iterator<TokenId>(file), {}};
  if (static_cast<int>(ids.size()) < n) give_up("contracts/data/demo/long.ids is too short");
  ids.resize(static_cast<size_t>(n));
  return ids;
}

}  // namespace tercet::tests
