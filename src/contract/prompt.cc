#include "contract/prompt.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>
#include <random>

#include "trace/measure.h"

namespace tercet::contract {
namespace {

constexpr uint32_t kSeed = 1;

}  // namespace

backend::Options options_for(int n_token, backend::Precision precision, int n_thread, int n_sequence) {
  backend::Options options;
  options.precision = precision;
  options.n_thread = n_thread;
  options.max_sequence = n_sequence;
  options.max_row = std::max({n_token, n_sequence, 1});
  options.n_page = (n_token / backend::KvLayout{}.page_size + 1) * n_sequence;
  return options;
}

Result<std::vector<float>> run_batch(backend::Backend& backend, const backend::Batch& batch,
                                     backend::TraceSink* trace) {
  ASSIGN_OR_RETURN(const backend::Ticket ticket, backend.submit(batch, trace));
  backend::StepResult result;
  RETURN_IF_ERROR(backend.wait(ticket, result));
  std::vector<float> logits;
  for (const auto& output : result.outputs) logits.insert(logits.end(), output.logits.begin(), output.logits.end());
  return logits;
}

Result<std::vector<float>> run_rows(backend::Backend& backend, std::span<const TokenId> ids, int first, int n,
                                    backend::TraceSink* trace, std::span<const backend::PageId> pages) {
  std::vector<backend::PageId> all;
  if (pages.empty()) {
    all.resize(static_cast<size_t>(backend.limits().kv.n_page));
    std::iota(all.begin(), all.end(), 0);
    pages = all;
  }
  std::vector<backend::Row> rows;
  std::vector<backend::Output> outputs;
  for (int i = 0; i < n; ++i) {
    rows.push_back({ids[static_cast<size_t>(first + i)], first + i, 0});
    backend::Output& output = outputs.emplace_back();
    output.row = i;
    output.sample = false;
    output.logits = true;
  }
  const backend::Sequence sequence{0, first + n, pages};
  return run_batch(backend, {rows, {&sequence, 1}, {}, outputs}, trace);
}

Result<std::vector<float>> run_prompt(backend::Backend& backend, std::span<const TokenId> ids, int n_row,
                                      std::span<const backend::PageId> pages) {
  std::vector<float> logits;
  const int n = static_cast<int>(ids.size());
  for (int first = 0; first < n; first += n_row) {
    ASSIGN_OR_RETURN(const auto step, run_rows(backend, ids, first, std::min(n_row, n - first), nullptr, pages));
    logits.insert(logits.end(), step.begin(), step.end());
  }
  return logits;
}

Result<Text> shipped_text(const World& world, int n) {
  const model::Config& config = world.model->config;
  n = std::min(n, config.n_ctx_train);
  Text out;
  if (world.tokenizer == nullptr) {
    std::mt19937 random(kSeed);
    out.ids.resize(static_cast<size_t>(n));
    for (TokenId& id : out.ids) id = static_cast<TokenId>(random() % static_cast<uint32_t>(config.n_vocab));
    return out;
  }
  const std::string path = world.data_folder + "/data/text.txt";
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(Code::kNotFound, "{}: not there, want the text that ships with the contracts", path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  out.has_meaning = true;
  out.ids = world.tokenizer->encode(text, false);
  out.ids.resize(std::min(out.ids.size(), static_cast<size_t>(n)));
  return out;
}

int affordable_positions(const World& world, const Subject& subject) {
  // ref reads and expands every weight of every chosen expert for every row. A quick run of the demo, of 8 MB a token,
  // has 256 positions, or 64 where software plays a GPU.
  const bool is_software = subject.device.kind == backend::DeviceKind::kSoftware;
  const double budget = world.is_long ? (is_software ? 1e9 : 4e10) : (is_software ? 5.2e8 : 2.1e9);
  const double affordable = budget / static_cast<double>(std::max<int64_t>(world.model->active_bytes_per_token(), 1));
  const int most = world.is_long ? 2000 : 256;
  return std::clamp(static_cast<int>(affordable), 3, std::min(most, std::max(3, world.model->config.n_ctx_train)));
}

std::span<const backend::Precision> precisions_of(const Context& context, Evidence& out) {
  if (context.subject->device.kind != backend::DeviceKind::kSoftware || context.world.is_long) return kAllPrecisions;
  static constexpr backend::Precision kDefault[] = {backend::Precision::kHigh};
  out.untried = {backend::Precision::kExact, backend::Precision::kFast};
  return kDefault;
}

Result<std::unique_ptr<backend::Backend>> start(const Subject& subject, std::shared_ptr<const model::Model> model,
                                                backend::Options options) {
  options.device = subject.device.index;
  return subject.factory->make(std::move(model), options);
}

double distance(std::span<const float> seen, std::span<const float> wanted) {
  if (seen.size() == wanted.size() && std::memcmp(seen.data(), wanted.data(), seen.size_bytes()) == 0) return 0;
  const auto agreement = trace::measure(seen, wanted);
  // Zeros of unlike sign differ in bits alone, which counts.
  if (agreement) return std::max(agreement->relative_l2, std::numeric_limits<double>::min());
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tercet::contract
