// tercet trace: every value of the forward pass of a prompt, to a file or beside one.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "base/mapped_file.h"
#include "base/text.h"
#include "cli/backends.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/text_input.h"
#include "cli/verb.h"
#include "gguf/gguf.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"
#include "trace/compare.h"
#include "trace/printed.h"
#include "trace/trace_file.h"

namespace tercet::cli {
namespace trace_verb {
namespace {

namespace json = boost::json;
using backend::Tap;

// Rows a step: all of them are outputs, and a row of logits can be over half a megabyte.
constexpr int kMaxRow = 64;

struct Options {
  const CLI::App* app = nullptr;
  TextInput input;
  std::string tokens;
  const CLI::Option* tokens_option = nullptr;
  bool raw = false;
  std::string out;
  std::string taps;
  std::string compare;
  std::optional<float> bound;
};

Result<std::vector<Tap>> parse_taps(const std::string& text) {
  std::vector<Tap> taps;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto tap = backend::find_tap(name);
    if (!tap) {
      std::vector<std::string_view> known;
      for (const backend::TapInfo& info : backend::kTapInfo) known.push_back(info.name);
      return error(Code::kInvalidArgument, "--taps: {}, want some of {}", name, fmt::join(known, ","));
    }
    if (std::ranges::find(taps, *tap) == taps.end()) taps.push_back(*tap);
  }
  if (!taps.empty()) return taps;
  for (int i = 0; i < backend::kNumTap; ++i) taps.push_back(static_cast<Tap>(i));
  return taps;
}

// What a run is compared with: a trace file, or the text that llama.cpp's eval-callback printed.
struct Wanted {
  std::unique_ptr<trace::TraceFile> file;
  std::optional<trace::PrintedTrace> printed;
};

constexpr size_t kMostText = size_t{256} << 20;

Result<Wanted> open_wanted(const std::string& path) {
  Wanted out;
  auto file = trace::TraceFile::open(path);
  if (file) {
    out.file = *std::move(file);
    return out;
  }
  if (file.error().code != Code::kCorrupt) return tl::make_unexpected(file.error());
  const auto mapped = MappedFile::open(path);
  if (mapped && (*mapped)->bytes().size() <= kMostText) {
    const auto bytes = (*mapped)->bytes();
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    RETURN_IF_ERROR((*mapped)->check_intact());
    if (trace::PrintedTrace::is_one(text)) {
      ASSIGN_OR_RETURN(out.printed, trace::PrintedTrace::parse(path, text));
      return out;
    }
  }
  if (file.error().message.find(", want ") == std::string::npos) file.error().message += ", want a safetensors file";
  file.error().message += ", or what llama.cpp's eval-callback prints";
  return tl::make_unexpected(file.error());
}

// What llama.cpp prints was computed with activations in 8 bits, as `fast` does, or in ways that nobody here knows.
constexpr double kPrintedBound = 2e-1;

// What the mode promises for each tap, or about what its free-running gates allow (docs/stages.md).
double default_bound(std::string_view backend, backend::Precision precision) {
  if (backend == "ref") return 0;
  return precision == backend::Precision::kExact ? 1e-4 : precision == backend::Precision::kHigh ? 1e-2 : 2e-1;
}

// --tokens, -p with --raw, or the tokens of the file to compare with.
Result<std::vector<int32_t>> prompt_tokens(const Options& options, const gguf::File& file, const Wanted& wanted) {
  ASSIGN_OR_RETURN(const CLI::Option* given, pick_one(*options.app, {options.tokens_option, options.input.text_option(),
                                                                     options.input.file_option()}));
  if (given == options.tokens_option && given != nullptr) return parse_ids("--tokens", options.tokens);
  if (given == nullptr && wanted.file != nullptr) return wanted.file->tokens();
  if (given == nullptr && wanted.printed) {
    if (wanted.printed->tokens()) return *wanted.printed->tokens();
    return with_hint(
        error(Code::kInvalidArgument, "{}: does not say its tokens, want them by --tokens or as a text with --raw",
              wanted.printed->path()),
        "tercet trace --tokens 785,921,308 --compare FILE");
  }
  if (!options.raw)
    return with_hint(error(Code::kInvalidArgument, "trace: a text without --raw, want --tokens or a text with --raw"),
                     "tercet trace --raw -p TEXT --out FILE");
  ASSIGN_OR_RETURN(const std::string text, options.input.read());
  ASSIGN_OR_RETURN(const auto tokenizer, tokenizer::Tokenizer::from_gguf(file));
  return tokenizer->encode(text, true);
}

Status check_tokens(const std::vector<int32_t>& tokens, const model::Config& config) {
  if (tokens.empty()) return error(Code::kInvalidArgument, "trace: no tokens, want at least one");
  for (const int32_t token : tokens)
    if (token < 0 || token >= config.n_vocab)
      return error(Code::kInvalidArgument, "token id {}: out of range, want 0..{}, the vocabulary of {}", token,
                   config.n_vocab - 1, config.name);
  if (std::ssize(tokens) > config.n_ctx_train)
    return error(Code::kInvalidArgument, "prompt: {} tokens, want at most the context of {}", tokens.size(),
                 config.n_ctx_train);
  return {};
}

// Only the same model on the same tokens can be compared.
Status check_same_run(const Wanted& wanted, const std::string& path, const std::vector<int32_t>& tokens,
                      const model::Config& config) {
  std::vector<int32_t> theirs = tokens;
  if (wanted.file != nullptr) {
    ASSIGN_OR_RETURN(theirs, wanted.file->tokens());
  } else if (wanted.printed && wanted.printed->tokens()) {
    theirs = *wanted.printed->tokens();
  }
  if (theirs != tokens)
    return error(Code::kInvalidArgument, "{}: a trace of other tokens, want those of this prompt", path);
  if (wanted.file == nullptr) return {};
  const auto found = wanted.file->metadata().find("model");
  const std::string name = found == wanted.file->metadata().end() ? "" : found->second;
  if (name != json_text(config.name))
    return error(Code::kInvalidArgument, "{}: a trace of model '{}', want '{}'", path, printable(name),
                 printable(config.name));
  return {};
}

// Hands the chosen taps to the file and to the comparison, where there is one.
class Both final : public backend::TraceSink {
 public:
  Both(std::vector<Tap> taps, trace::TraceWriter* writer, trace::Comparison* comparison)
      : taps_(std::move(taps)), writer_(writer), comparison_(comparison) {}
  void set_position(int64_t position) {
    if (writer_ != nullptr) writer_->set_position(position);
    if (comparison_ != nullptr) comparison_->set_position(position);
  }
  bool wants(Tap tap) const override { return std::ranges::find(taps_, tap) != taps_.end(); }
  void write(const backend::TapView& view) override {
    if (writer_ != nullptr) writer_->write(view);
    if (comparison_ != nullptr) comparison_->write(view);
  }

 private:
  std::vector<Tap> taps_;
  trace::TraceWriter* writer_;
  trace::Comparison* comparison_;
};

// Ctrl-C ends it after the step that is under way.
Status run_prompt(backend::Backend& backend, const std::vector<int32_t>& tokens, Both& sink,
                  const InterruptScope& interrupt, const Console& console) {
  const int page_size = backend.limits().kv.page_size;
  std::vector<backend::PageId> pages;
  for (size_t i = 0; i * static_cast<size_t>(page_size) < tokens.size(); ++i) pages.push_back(static_cast<int>(i));
  for (int done = 0; done < std::ssize(tokens);) {
    const int n = std::min(backend.limits().max_row, static_cast<int>(tokens.size()) - done);
    std::vector<backend::Row> rows;
    std::vector<backend::Output> outputs;
    for (int i = 0; i < n; ++i) {
      const int position = done + i;
      rows.push_back({tokens[static_cast<size_t>(position)], position, 0});
      backend::Output& output = outputs.emplace_back();
      output.row = i;
      output.sample = false;
    }
    sink.set_position(done);
    done += n;
    const backend::Sequence sequence{0, done, pages};
    ASSIGN_OR_RETURN(const backend::Ticket ticket, backend.submit({rows, {&sequence, 1}, {}, outputs}, &sink));
    backend::StepResult result;
    RETURN_IF_ERROR(backend.wait(ticket, result));
    if (interrupt.requested()) {
      console.progress("");
      return error(Code::kCancelled, "trace: interrupted at {} of {} tokens, want a whole trace", done, tokens.size());
    }
    console.progress(fmt::format("{} of {} tokens", done, tokens.size()));
  }
  console.progress("");
  return {};
}

// `is_part`: of what the other had, which is not all that was computed.
std::string to_line(const trace::TapComparison& tap, double bound, bool is_part) {
  std::string mark = is_part && !tap.is_ids ? fmt::format("  of {} values", tap.n_value) : "";
  if (!tap.within(bound)) mark += "  out of bound";
  if (tap.is_ids) return fmt::format("{:<24} {} of {} ids differ{}\n", tap.name, tap.n_different_id, tap.n_id, mark);
  if (!tap.values) return fmt::format("{:<24} {}{}\n", tap.name, tap.values.error().message, mark);
  return fmt::format("{:<24} cosine {:.9f}  relative L2 {:.3e}  largest {:.3e}{}\n", tap.name, tap.values->cosine,
                     tap.values->relative_l2, tap.values->largest_error, mark);
}

json::object to_json(const trace::TapComparison& tap, double bound) {
  json::object row = {{"tap", tap.name}, {"within", tap.within(bound)}, {"compared", tap.n_value}};
  if (tap.is_ids) {
    row["ids"] = tap.n_id;
    row["different_ids"] = tap.n_different_id;
  } else if (tap.values) {
    row["cosine"] = tap.values->cosine;
    row["relative_l2"] = tap.values->relative_l2;
    row["largest_error"] = tap.values->largest_error;
  } else {
    row["error"] = tap.values.error().message;
  }
  return row;
}

Status report(const trace::Comparison& comparison, double bound, bool is_part, const Common& common) {
  ASSIGN_OR_RETURN(const std::vector<trace::TapComparison> taps, comparison.finish());
  std::string first;
  for (const trace::TapComparison& tap : taps)
    if (first.empty() && !tap.within(bound)) first = tap.name;
  if (common.json) {
    json::array rows;
    for (const trace::TapComparison& tap : taps) rows.push_back(to_json(tap, bound));
    json::object object = {{"bound", bound}, {"first_out_of_bound", nullptr}, {"taps", std::move(rows)}};
    if (!first.empty()) object["first_out_of_bound"] = first;
    return write_json(object);
  }
  std::string text;
  for (const trace::TapComparison& tap : taps) text += to_line(tap, bound, is_part);
  text += first.empty() ? fmt::format("every tap is within a relative L2 of {:g}\n", bound)
                        : fmt::format("the first tap beyond a relative L2 of {:g} is {}\n", bound, first);
  return write_stdout(text);
}

Result<int> run(const Options& options, const Common& common) {
  const Console console(common);
  if (options.out.empty() && options.compare.empty())
    return with_hint(error(Code::kInvalidArgument, "trace: neither --out nor --compare, want at least one of them"),
                     "tercet trace --tokens 785,921,308 --out t.safetensors");
  ASSIGN_OR_RETURN(const std::vector<Tap> taps, parse_taps(options.taps));
  Wanted wanted;
  if (!options.compare.empty()) {
    ASSIGN_OR_RETURN(wanted, open_wanted(options.compare));
  }
  Demand demand = demand_of(common);
  RETURN_IF_ERROR(check_demand(backends(), demand));
  ASSIGN_OR_RETURN(const std::string path, model_path(common));
  ASSIGN_OR_RETURN(const std::shared_ptr<const gguf::File> file, gguf::File::open(path));
  ASSIGN_OR_RETURN(const auto model, model::load_model(file));
  ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, prompt_tokens(options, *file, wanted));
  RETURN_IF_ERROR(check_tokens(tokens, model->config));
  RETURN_IF_ERROR(check_same_run(wanted, options.compare, tokens, model->config));

  demand.max_row = kMaxRow;
  demand.n_page = static_cast<int>(tokens.size()) / backend::KvLayout{}.page_size + 1;
  ASSIGN_OR_RETURN(const ReadyBackend ready, start_backend(model, demand, console));
  backend::Backend& backend = *ready.backend;

  // Older than the writer, which removes its unfinished file when this function is left.
  const InterruptScope interrupt;
  std::unique_ptr<trace::TraceWriter> writer;
  if (!options.out.empty()) {
    ASSIGN_OR_RETURN(writer,
                     trace::TraceWriter::create(options.out, model->config, taps,
                                                {json_text(model->config.name), std::string(backend.name()), tokens}));
  }
  std::unique_ptr<trace::Comparison> comparison;
  if (wanted.file != nullptr) comparison = std::make_unique<trace::TraceComparison>(*wanted.file);
  if (wanted.printed) comparison = std::make_unique<trace::PrintedComparison>(*wanted.printed, std::ssize(tokens));
  Both sink(taps, writer.get(), comparison.get());
  RETURN_IF_ERROR(run_prompt(backend, tokens, sink, interrupt, console));
  if (writer != nullptr) {
    RETURN_IF_ERROR(writer->finish());
    console.note(
        fmt::format("wrote {}: {} taps of {} tokens by {}", options.out, taps.size(), tokens.size(), backend.name()));
  }
  if (comparison != nullptr) {
    const double usual = wanted.printed ? kPrintedBound : default_bound(backend.name(), common.precision());
    const double bound = options.bound ? double{*options.bound} : usual;
    RETURN_IF_ERROR(report(*comparison, bound, wanted.printed.has_value(), common));
  }
  return kDone;
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  options->app = &app;
  options->tokens_option = add_text(app, "--tokens", options->tokens, "ID,ID", "The prompt as token ids");
  options->input.declare(app);
  add_switch(app, "--raw", options->raw, "The text as it is, without the chat template; a trace asks for it");
  add_text(app, "--out", options->out, "FILE", "Write the taps to this safetensors file");
  add_text(app, "--taps", options->taps, "NAME,NAME", "These taps only (all)");
  add_text(app, "--compare", options->compare, "FILE",
           "Compare with this trace, or with what llama.cpp's eval-callback printed, tap by tap; without a prompt, of "
           "its tokens");
  add_number(app, "--bound", options->bound, 0.0F, 1e9F,
             "The relative L2 that a tap may differ by (ref 0, exact 1e-4, high 1e-2, fast 0.2; 0.2 for llama.cpp's)");
  return [options, &common] { return run(*options, common); };
}

}  // namespace
}  // namespace trace_verb

const Verb kTrace = {
    "trace", "Write every value of the forward pass to a file, or compare with one",
    "Examples:\n"
    "  tercet trace --tokens 785,921,308 --backend ref --out ref.safetensors\n"
    "  tercet trace --compare ref.safetensors --exact\n"
    "  llama-eval-callback -m m.gguf -p 'def add' > theirs.txt 2>&1; tercet trace -m m.gguf --compare theirs.txt\n"
    "  tercet trace --raw -p 'def add(x, y):' --taps l_out,result_output --out t.safetensors",
    trace_verb::declare};

}  // namespace tercet::cli
