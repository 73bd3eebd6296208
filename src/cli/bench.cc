// tercet bench: prefill and decode, beside what this machine's memory can do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cli/backends.h"
#include "cli/bandwidth.h"
#include "cli/bench_run.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "gguf/gguf.h"
#include "model/synthetic.h"

namespace tercet::cli {
namespace bench_verb {
namespace {

namespace json = boost::json;

constexpr int64_t kMostTokens = 1 << 20;
constexpr int64_t kMostSequences = 1024;
constexpr uint64_t kSeed = 1;

struct Options {
  std::string prompt = "512";
  std::string decode = "128";
  std::string depth = "0";
  std::string batch = "1";
  std::optional<int64_t> n_repeat;
  std::optional<int64_t> n_row;
  std::string synthetic;
};

// "512,4096": the lengths to measure; 0 in the list of lengths measures nothing.
Result<std::vector<int>> parse_list(std::string_view name, const std::string& text, int64_t least, int64_t most) {
  ASSIGN_OR_RETURN(const std::vector<int32_t> values, parse_ids(name, text, "whole numbers from 0, such as 512,4096"));
  for (const int32_t value : values)
    if (value < least || value > most)
      return error(Code::kInvalidArgument, "{}: {}, want {}..{}", name, value, least, most);
  return std::vector<int>(values.begin(), values.end());
}

Result<std::vector<BenchCase>> parse_cases(const Options& options) {
  ASSIGN_OR_RETURN(const auto prompts, parse_list("-p", options.prompt, 0, kMostTokens));
  ASSIGN_OR_RETURN(const auto decodes, parse_list("-n", options.decode, 0, kMostTokens));
  ASSIGN_OR_RETURN(const auto depths, parse_list("-d", options.depth, 0, kMostTokens));
  ASSIGN_OR_RETURN(const auto batches, parse_list("-b", options.batch, 1, kMostSequences));
  std::vector<BenchCase> cases;
  for (const int depth : depths) {
    for (const int n : prompts)
      if (n > 0) cases.push_back({n, 0, depth, 1});
    for (const int n : decodes)
      for (const int batch : batches)
        if (n > 0) cases.push_back({0, n, depth, batch});
  }
  if (cases.empty()) return error(Code::kInvalidArgument, "-p and -n: only zeros, want at least one length to measure");
  return cases;
}

Result<std::shared_ptr<const gguf::File>> open_file(const Options& options, const Common& common,
                                                    const Console& console) {
  if (options.synthetic.empty()) {
    ASSIGN_OR_RETURN(const std::string path, model_path(common));
    return gguf::File::open(path);
  }
  if (!common.model.empty())
    return error(Code::kInvalidArgument, "--synthetic: {} together with --model {}, want one of them",
                 options.synthetic, common.model);
  ASSIGN_OR_RETURN(const model::SyntheticSize size, model::parse_synthetic_size(options.synthetic));
  ThreadPool pool(common.threads());
  auto made = model::make_synthetic(size, kSeed, pool, [&](uint64_t done, uint64_t total) {
    console.progress(done == total ? "" : fmt::format("making weights {} %", 100 * done / total));
  });
  if (!made) return tl::make_unexpected(made.error());
  return model::open_synthetic(*std::move(made));
}

// What the backend must hold for the largest of the cases.
Result<Demand> demand_for(const std::vector<BenchCase>& cases, const Options& options, const Common& common,
                          const model::Model& model) {
  Demand demand = demand_of(common);
  const int page_size = backend::KvLayout{}.page_size;
  int64_t most_pages = 0;
  for (const BenchCase& bench : cases) {
    if (bench.n_context() > model.config.n_ctx_train)
      return error(Code::kInvalidArgument, "{}: {} tokens of context, want at most the {} that the model was made for",
                   bench.n_prompt > 0 ? "-p and -d" : "-n and -d", bench.n_context(), model.config.n_ctx_train);
    demand.options.max_sequence = std::max(demand.options.max_sequence, bench.n_sequence);
    most_pages = std::max(most_pages, int64_t{bench.n_sequence} * ((bench.n_context() + page_size) / page_size));
  }
  if (options.n_row) demand.max_row = static_cast<int>(*options.n_row);
  demand.n_page = static_cast<int>(std::min<int64_t>(most_pages, INT32_MAX));
  return demand;
}

Result<ReadyBackend> start(const std::shared_ptr<const model::Model>& model, const Demand& demand,
                           const Console& console) {
  auto ready = start_backend(model, demand, console);
  if (!ready && ready.error().code == Code::kOutOfMemory) ready.error().hint = "a smaller -d or -b, or fewer --rows";
  return ready;
}

std::string case_name(const BenchCase& bench) {
  std::string name = bench.n_prompt > 0 ? fmt::format("pp{}", bench.n_prompt) : fmt::format("tg{}", bench.n_decode);
  if (bench.n_sequence > 1) name += fmt::format(" x{}", bench.n_sequence);
  if (bench.n_depth > 0) name += fmt::format(" @ d{}", bench.n_depth);
  return name;
}

struct Report {
  std::string model, backend, device, precision;
  double load_ms = 0;
  double bandwidth = 0;  // bytes a second; 0: not known
  std::vector<std::pair<BenchCase, BenchFigures>> rows;
};

// Bytes that decoding read in a second, as a share of what the machine reads.
double bandwidth_share(const Report& report, const BenchCase& bench, const BenchFigures& figures) {
  const double steps_s = figures.median_tok_s() / bench.n_sequence;
  return report.bandwidth > 0 ? steps_s * figures.bytes_a_step / report.bandwidth : 0;
}

std::string to_line(const Report& report, const BenchCase& bench, const BenchFigures& figures) {
  std::string line =
      fmt::format("{:<18} {:>10.2f} {:>7.1f} %", case_name(bench), figures.median_tok_s(), 100 * figures.spread());
  if (bench.n_decode > 0) {
    const std::string share =
        report.bandwidth > 0 ? fmt::format("{:.1f} %", 100 * bandwidth_share(report, bench, figures)) : "-";
    line += fmt::format(" {:>12} {:>9} {:>9.1f}", format_bytes(figures.bytes_a_step), share, figures.distinct_experts);
  }
  return line + "\n";
}

json::object to_json(const Report& report) {
  json::array rows;
  for (const auto& [bench, figures] : report.rows) {
    json::object row = {{"test", case_name(bench)},
                        {"n_prompt", bench.n_prompt},
                        {"n_decode", bench.n_decode},
                        {"n_depth", bench.n_depth},
                        {"n_sequence", bench.n_sequence},
                        {"tok_s", figures.median_tok_s()},
                        {"tok_s_all", json::array(figures.tok_s.begin(), figures.tok_s.end())},
                        {"spread", figures.spread()}};
    if (bench.n_decode > 0) {
      row["bytes_a_step"] = figures.bytes_a_step;
      row["bandwidth_share"] = bandwidth_share(report, bench, figures);
      row["distinct_experts"] = figures.distinct_experts;
    }
    rows.push_back(std::move(row));
  }
  return {{"model", json_text(report.model)}, {"backend", report.backend}, {"device", json_text(report.device)},
          {"precision", report.precision},    {"load_ms", report.load_ms}, {"read_bytes_s", report.bandwidth},
          {"results", std::move(rows)}};
}

Result<int> run(const Options& options, const Common& common) {
  const Console console(common);
  ASSIGN_OR_RETURN(const std::vector<BenchCase> cases, parse_cases(options));
  RETURN_IF_ERROR(check_demand(backends(), demand_of(common)));
  const Stopwatch loading;
  ASSIGN_OR_RETURN(const auto file, open_file(options, common, console));
  ASSIGN_OR_RETURN(const auto model, model::load_model(file));
  ASSIGN_OR_RETURN(const Demand demand, demand_for(cases, options, common, *model));
  ASSIGN_OR_RETURN(const ReadyBackend ready, start(model, demand, console));

  Report report{model->config.name,
                std::string(ready.backend->name()),
                ready.backend->device(),
                std::string(backend::precision_name(common.precision())),
                loading.elapsed_ms(),
                0,
                {}};
  ASSIGN_OR_RETURN(report.bandwidth, read_bandwidth_of(*ready.entry, ready.device, common.threads()));
  if (!common.json) {
    const std::string reads =
        report.bandwidth > 0 ? fmt::format(", memory reads {:.1f} GB/s", report.bandwidth / 1e9) : "";
    RETURN_IF_ERROR(write_stdout(
        fmt::format("{}, {}, {}, {}\nmade or mapped in {:.0f} ms{}\n{:<18} {:>10} {:>9} {:>12} {:>9} {:>9}\n",
                    report.model, report.backend, report.device, report.precision, report.load_ms, reads, "test",
                    "tok/s", "spread", "bytes/step", "of reads", "experts")));
  }
  for (const BenchCase& bench : cases) {
    console.progress(case_name(bench));
    BenchRunner runner(*ready.backend, *model, kSeed);
    auto figures = runner.run(bench, static_cast<int>(options.n_repeat.value_or(5)));
    console.progress("");
    if (!figures) return tl::make_unexpected(figures.error());
    report.rows.emplace_back(bench, *std::move(figures));
    if (!common.json) RETURN_IF_ERROR(write_stdout(to_line(report, bench, report.rows.back().second)));
  }
  if (common.json) RETURN_IF_ERROR(write_json(to_json(report)));
  return kDone;
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  add_text(app, "-p,--prompt-tokens", options->prompt, "N,N", "Lengths of prefill to measure (512); 0: none");
  add_text(app, "-n,--decode-tokens", options->decode, "N,N", "Lengths of decode to measure (128); 0: none");
  add_text(app, "-d,--depth", options->depth, "N,N", "Tokens in the KV cache before (0)");
  add_text(app, "-b,--batch", options->batch, "N,N", "Sequences that decode together (1)");
  add_integer(app, "-r,--repeat", options->n_repeat, 1, 1000, "Repetitions of each, after a warm-up (5)");
  add_integer(app, "--rows", options->n_row, 1, 16384, "Rows of a prefill step (512; 2048 on a GPU)");
  add_text(app, "--synthetic", options->synthetic, "tiny|mid|full",
           "Weights made in memory instead of a file; full has the shapes of Qwen3-Coder-30B-A3B");
  return [options, &common] { return run(*options, common); };
}

}  // namespace
}  // namespace bench_verb

const Verb kBench = {
    "bench", "Measure prefill and decode",
    "tok/s is the median of the repetitions, spread is (largest - smallest) / median; `of reads` is the\n"
    "bytes that a decode step must read, by its time, as a share of the read bandwidth measured here;\n"
    "`experts` is how many different ones a layer's step chose.\n\n"
    "Examples:\n"
    "  tercet bench\n"
    "  tercet bench -m model.gguf -p 512,4096 -n 128 -d 0,4096 -b 1,8\n"
    "  tercet bench --synthetic full -p 128 -n 32 -r 3",
    bench_verb::declare};

}  // namespace tercet::cli
