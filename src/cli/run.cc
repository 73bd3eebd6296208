// tercet run: one answer.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/prompt.h"
#include "cli/sampling_options.h"
#include "cli/verb.h"
#include "engine/engine.h"

namespace tercet::cli {
namespace run_verb {
namespace {

namespace json = boost::json;
using backend::TokenId;

struct Options {
  Prompt prompt;
  SamplingOptions sampling;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;
  std::optional<int64_t> n_logprob;
  bool ignore_eos = false;
  bool stats = false;
};

// One token's line of --logprobs.
struct TokenLine {
  TokenId token;
  float logprob;
  std::vector<backend::TokenLogprob> top;
};

struct Answer {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLine> logprobs;  // one for each token if asked, else none
  engine::FinishReason reason = engine::FinishReason::kError;
  std::optional<TokenId> stop_token;
  std::string stop_string;
  engine::Timings timings;
};

// What came of a run, and in what setting.
struct Report {
  const OpenModel& opened;
  const ReadyBackend& ready;
  const SamplingChoice& sampling;
  const Answer& answer;
  double load_ms;
};

bool is_same_file(int a, int b) {
  struct stat x = {};
  struct stat y = {};
  return ::fstat(a, &x) == 0 && ::fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// Collects the answer, and streams its text to stdout unless that is to carry JSON. What goes wrong with stdout is kept
// for the loop that drives the engine: a callback cannot fail.
class AnswerSink {
 public:
  AnswerSink(const Console& console, bool streams, bool wants_logprobs)
      : console_(console), streams_(streams), wants_logprobs_(wants_logprobs) {}

  engine::Callbacks callbacks() {
    return {[this](const engine::TokenEvent& event) { on_token(event); },
            [this](const engine::Progress& progress) { on_progress(progress.n_done, progress.n_prompt); },
            [this](const engine::Finished& finished) { on_finish(finished); }};
  }

  const Status& written() const { return written_; }
  Answer take() { return std::move(answer_); }

 private:
  void on_token(const engine::TokenEvent& event) {
    if (event.index == 0) console_.progress("");
    answer_.tokens.push_back(event.token);
    if (wants_logprobs_) answer_.logprobs.push_back({event.token, event.logprob, {event.top.begin(), event.top.end()}});
    write(event.text);
  }

  // A prompt that takes one step needs no progress.
  void on_progress(int n_done, int n_prompt) {
    if (n_done < n_prompt) console_.progress(fmt::format("prompt: {} of {} tokens", n_done, n_prompt));
  }

  void on_finish(const engine::Finished& finished) {
    console_.progress("");
    write(finished.text);
    answer_.reason = finished.reason;
    answer_.stop_token = finished.stop_token;
    answer_.stop_string = finished.stop_string;
    answer_.timings = finished.timings;
  }

  void write(std::string_view text) {
    answer_.text += text;
    if (streams_ && written_ && !text.empty()) written_ = write_stdout(text);
  }

  const Console& console_;
  const bool streams_;
  const bool wants_logprobs_;
  Status written_;
  Answer answer_;
};

Result<Answer> generate(engine::Engine& engine, engine::Request request, AnswerSink& sink) {
  const InterruptScope interrupt;
  ASSIGN_OR_RETURN(const engine::RequestId id, engine.add(std::move(request), sink.callbacks()));
  bool cancelled = false;
  for (bool more = true; more;) {
    if (!cancelled && (interrupt.requested() || !sink.written())) {
      engine.cancel(id);
      cancelled = true;
    }
    ASSIGN_OR_RETURN(more, engine.step());
  }
  RETURN_IF_ERROR(sink.written());
  return sink.take();
}

json::object timings_json(const Report& report) {
  const engine::Timings& t = report.answer.timings;
  return {{"load_ms", report.load_ms}, {"prompt_ms", t.prompt_ms},         {"first_token_ms", t.first_token_ms},
          {"decode_ms", t.decode_ms},  {"prompt_tok_s", t.prompt_tok_s()}, {"decode_tok_s", t.decode_tok_s()}};
}

json::array logprobs_json(const std::vector<TokenLine>& lines) {
  json::array out;
  for (const TokenLine& line : lines) {
    json::array top;
    for (const auto& [token, logprob] : line.top) top.push_back({{"token", token}, {"logprob", json_number(logprob)}});
    out.push_back({{"token", line.token}, {"logprob", json_number(line.logprob)}, {"top", std::move(top)}});
  }
  return out;
}

json::object sampling_json(const SamplingChoice& choice) {
  json::object out;
  for (const auto& [name, value, origin] : choice.items) out[name] = {{"value", value}, {"from", origin}};
  return out;
}

json::object to_json(const Report& report, bool wants_logprobs) {
  const Answer& answer = report.answer;
  json::object out = {
      {"text", json_text(answer.text)},
      {"tokens", json::array(answer.tokens.begin(), answer.tokens.end())},
      {"finish_reason", engine::finish_reason_name(answer.reason)},
      {"usage", {{"prompt_tokens", answer.timings.n_prompt}, {"completion_tokens", answer.timings.n_output}}},
      {"timings", timings_json(report)},
      {"backend", report.ready.backend->name()},
      {"device", json_text(report.ready.backend->device())},
      {"model", json_text(report.opened.model->config.name)},
      {"n_ctx", report.ready.n_ctx},
      {"seed", report.sampling.sampling.seed},
      {"sampling", sampling_json(report.sampling)},
      {"stop_token", nullptr},
      {"stop_string", nullptr}};
  if (answer.stop_token) out["stop_token"] = *answer.stop_token;
  if (!answer.stop_string.empty()) out["stop_string"] = json_text(answer.stop_string);
  if (wants_logprobs) out["logprobs"] = logprobs_json(answer.logprobs);
  return out;
}

std::string statistics_line(const Report& report) {
  const engine::Timings& t = report.answer.timings;
  return fmt::format("{} prompt tokens, {:.1f} tok/s; first token after {:.1f} ms; {} tokens, {:.1f} tok/s; {} on {}",
                     t.n_prompt, t.prompt_tok_s(), t.first_token_ms, t.n_output, t.decode_tok_s(),
                     report.ready.backend->name(), report.ready.backend->device());
}

std::string token_text(const OpenModel& opened, TokenId token) {
  if (opened.tokenizer == nullptr) return "";
  const auto piece = opened.tokenizer->piece(token);
  return piece ? printable(*piece) : "";
}

void print_logprobs(const Report& report, const Console& console) {
  for (const TokenLine& line : report.answer.logprobs) {
    std::string text =
        fmt::format("{:>7} {:<16} {:8.4f} |", line.token, token_text(report.opened, line.token), line.logprob);
    for (const auto& [token, logprob] : line.top)
      text += fmt::format(" {} {} {:.4f};", token, token_text(report.opened, token), logprob);
    console.statistics(text);
  }
}

// Boost.JSON writes 0.7 as 7E-1.
std::string number_text(const json::value& value) {
  return value.is_double() ? fmt::format("{}", value.get_double()) : json::serialize(value);
}

void print_stats(const Report& report, const Console& console) {
  console.statistics(fmt::format("model: {}, loaded in {:.1f} ms, {} tokens of context",
                                 printable(report.opened.model->config.name), report.load_ms, report.ready.n_ctx));
  for (const auto& [name, value, origin] : report.sampling.items)
    console.statistics(fmt::format("{:<18} {:<20} {}", name, number_text(value), origin));
  console.statistics(fmt::format("finished: {}", engine::finish_reason_name(report.answer.reason)));
}

// After the streamed text: the numbers, on a line of their own.
Status print_report(const Report& report, const Options& options, const Common& common, const Console& console) {
  const bool wants_logprobs = options.n_logprob.value_or(0) > 0;
  if (common.json) {
    RETURN_IF_ERROR(write_json(to_json(report, wants_logprobs)));
  } else if (!report.answer.text.ends_with('\n')) {
    // A pipe gets the answer and no byte more.
    if (::isatty(STDOUT_FILENO) == 1) {
      RETURN_IF_ERROR(write_stdout("\n"));
    } else if (is_same_file(STDOUT_FILENO, STDERR_FILENO)) {
      console.statistics("");
    }
  }
  if (wants_logprobs && !common.json) print_logprobs(report, console);
  if (options.stats) print_stats(report, console);
  console.statistics(statistics_line(report));
  return {};
}

Result<int> run(const Options& options, const Common& common) {
  const Console console(common);
  const Stopwatch load_time;
  ASSIGN_OR_RETURN(const OpenModel opened, open_model(common));
  const double open_ms = load_time.elapsed_ms();
  // Reading stdin may wait for a person; that is no loading.
  engine::Request request;
  ASSIGN_OR_RETURN(request.prompt, options.prompt.ids(opened));
  const Stopwatch start_time;
  ASSIGN_OR_RETURN(const ReadyBackend ready, start_backend(opened.model, demand_of(common), console));
  const double load_ms = open_ms + start_time.elapsed_ms();

  ASSIGN_OR_RETURN(const SamplingChoice sampling, options.sampling.choose(*opened.model->file));
  request.sampling = sampling.sampling;
  if (options.max_tokens) request.max_output = static_cast<int>(*options.max_tokens);
  request.n_logprob = static_cast<int>(options.n_logprob.value_or(0));
  request.stop = options.stop;
  request.ignore_eos = options.ignore_eos;

  engine::Engine engine(*ready.backend, opened.tokenizer.get(), {opened.model->config.n_vocab, ready.n_ctx, 1});
  AnswerSink sink(console, !common.json, request.n_logprob > 0);
  ASSIGN_OR_RETURN(const Answer answer, generate(engine, std::move(request), sink));
  RETURN_IF_ERROR(print_report({opened, ready, sampling, answer, load_ms}, options, common, console));
  return kDone;
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  options->prompt.declare(app);
  add_integer(app, "-n,--max-tokens", options->max_tokens, 0, INT32_MAX,
              "Tokens to generate at most (default: to the end of the context)");
  options->sampling.declare(app);
  add_text_list(app, "--stop", options->stop, "TEXT",
                "Text that ends the answer and is not part of it; may be repeated");
  add_integer(app, "--logprobs", options->n_logprob, 0, engine::kMaxLogprob,
              "With each token, the K most probable ones and their log-probabilities");
  add_switch(app, "--ignore-eos", options->ignore_eos, "End tokens come out like any other and do not stop");
  add_switch(app, "--stats", options->stats, "On stderr, also the sampling that was in effect and where it came from");
  return [options, &common] { return run(*options, common); };
}

}  // namespace
}  // namespace run_verb

const Verb kRun = {"run", "Answer one prompt",
                   "Without -p, -f and --tokens, the prompt is all of stdin. Ctrl-C ends the answer, a second one the "
                   "program.\n\n"
                   "Examples:\n"
                   "  tercet run -p 'Write a Python function that adds two numbers.'\n"
                   "  tercet run --raw -p 'def fibonacci(n):' -n 64 --temp 0\n"
                   "  tercet run -m model.gguf --system 'Answer in one line.' < question.txt\n"
                   "  tercet run --tokens 785,921,308 -n 16 --temp 0 --json",
                   run_verb::declare};

}  // namespace tercet::cli
