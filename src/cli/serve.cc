// tercet serve: the HTTP server.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include "base/text.h"
#include "cli/console.h"
#include "cli/contract.h"
#include "cli/exit_code.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "server/server.h"

namespace tercet::cli {
namespace serve_verb {
namespace {

struct Options {
  std::string host = "127.0.0.1";
  std::optional<int64_t> port, n_parallel, n_queue, n_connection, drain_s, request_s, watchdog_s;
  bool demo = false;
  bool allow_open = false;
  bool no_prefix_cache = false;
  std::string alias, key_file, key, receipt;
  std::vector<std::string> hosts, origins;
  std::string log_format = "text";
};

// At once, and past destructors that would wait for what does not end; the log's thread has time to write what waits.
[[noreturn]] void end_now(int code) {
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::_Exit(code);
}

server::ServerOptions server_options(const Options& options, const Common& common) {
  server::ServerOptions out;
  out.host = options.host;
  out.port = static_cast<int>(options.port.value_or(8080));
  out.n_connection = static_cast<int>(options.n_connection.value_or(1024));
  out.is_open = options.allow_open;
  out.guard.key_file = options.key_file;
  if (!options.key.empty()) out.guard.keys.emplace_back("default", options.key);
  out.guard.hosts = options.hosts;
  out.guard.origins = options.origins;
  out.drain_timeout = std::chrono::seconds(options.drain_s.value_or(60));
  out.on_end_unready = [] { end_now(kDone); };
  using Log = server::ServerOptions::Log;
  out.log = common.quiet ? Log::kOff : options.log_format == "json" ? Log::kJson : Log::kText;
  return out;
}

Status check_model_given(const Options& options, const Common& common) {
  if (!common.model.empty() || options.demo) return {};
  return with_hint(
      error(Code::kInvalidArgument, "model: none, want -m FILE, or --demo for the one that ships with the program"),
      "tercet serve --demo");
}

// What /receipt answers: the receipt without its rows and figures, and what `contract verify` says of it. Nothing is measured.
Result<std::string> receipt_json(const std::string& path, const OpenModel& opened) {
  ASSIGN_OR_RETURN(const contract::Receipt receipt, contract::read_receipt(path));
  ASSIGN_OR_RETURN(const auto contracts, load_contracts({}));
  boost::json::object shown = contract::to_json(receipt);
  shown.erase("rows");
  shown.erase("rooflines");
  const bool is_same = receipt.model.n_byte == static_cast<int64_t>(opened.model->file->size_bytes()) &&
                       receipt.model.name == opened.model->config.name;
  return boost::json::serialize(
      boost::json::object{{"verification", verification_json(contract::verify(receipt, contracts))},
                          {"receipt", std::move(shown)},
                          {"is_of_this_model", is_same}});
}

// What a server that is ready to answer stands on. In the order in which it is made; it goes the other way round.
Result<server::ServedModel> served_model(const OpenModel& opened, const Options& options) {
  if (opened.tokenizer == nullptr)
    return error(Code::kInvalidArgument, "{}: no vocabulary, want a model with one", opened.model->file->path());
  ASSIGN_OR_RETURN(server::ServedModel out, server::describe_model(*opened.model->file, *opened.tokenizer));
  out.name = !options.alias.empty() ? options.alias : opened.model->config.name;
  if (out.name.empty()) out.name = "model";
  out.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  out.n_ctx_train = opened.model->config.n_ctx_train;
  out.n_vocab = opened.model->config.n_vocab;
  out.n_parallel = static_cast<int>(options.n_parallel.value_or(8));
  out.time_limit_s = static_cast<double>(options.request_s.value_or(3600));
  if (!options.receipt.empty()) {
    ASSIGN_OR_RETURN(out.receipt, receipt_json(options.receipt, opened));
  }
  return out;
}

Result<int> serve(const Options& options, const Common& common) {
  const Console console(common);
  RETURN_IF_ERROR(check_model_given(options, common));
  ASSIGN_OR_RETURN(const OpenModel opened, open_model(common));
  ASSIGN_OR_RETURN(server::ServedModel model, served_model(opened, options));
  server::Metrics metrics(valid_utf8(model.name));
  ASSIGN_OR_RETURN(const auto server, server::Server::start(server_options(options, common), metrics));
  const bool is_v6 = options.host.find(':') != std::string::npos;
  const std::string url =
      fmt::format("http://{}{}{}:{}", is_v6 ? "[" : "", options.host, is_v6 ? "]" : "", server->port());
  if (common.json) {
    RETURN_IF_ERROR(write_json(boost::json::object{{"url", url}, {"port", server->port()}}));
  } else {
    RETURN_IF_ERROR(write_stdout(fmt::format("listening on {}\n", url)));
  }

  Demand demand = demand_of(common);
  demand.options.max_sequence = model.n_parallel;
  demand.shares_pages = true;
  model.grammars->prepare(*opened.tokenizer, model.n_vocab);
  ASSIGN_OR_RETURN(const ReadyBackend ready, start_backend(opened.model, demand, console));
  model.backend = ready.backend->name();
  model.device = ready.backend->device();
  model.n_ctx = ready.n_ctx;
  const server::EngineThreadOptions engine_options = {
      .engine = {.n_vocab = model.n_vocab,
                 .n_ctx = model.n_ctx,
                 .max_active = model.n_parallel,
                 .prefix_cache = !options.no_prefix_cache},
      .n_parallel = model.n_parallel,
      .n_queue = static_cast<int>(options.n_queue.value_or(256)),
      .watchdog = std::chrono::seconds(options.watchdog_s.value_or(300)),
      .on_stuck =
          [&common](const Error& error) {
            print_error(error, common.json, use_color(common.color));
            end_now(kFailed);
          },
      .on_untold =
          [] {
            write_last_words("tercet: error: a step of the backend hangs, and so does what would say more of it\n");
            std::_Exit(kFailed);
          }};
  server::EngineThread engine(*ready.backend, *opened.tokenizer, engine_options, metrics,
                              [&server = *server](const Error& error) { server.fail(error); });
  server->set_ready({&model, &engine});
  console.note(fmt::format("serving {} on {}, {}: {} tokens of context, {} at once", printable(model.name),
                           model.backend, model.device, model.n_ctx, model.n_parallel));
  RETURN_IF_ERROR(server->join());
  return kDone;
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  add_switch(app, "--demo", options->demo, "Serve the demo model that ships with the program");
  add_text(app, "--host", options->host, "ADDRESS", "Where to listen (default: 127.0.0.1)");
  add_integer(app, "--port", options->port, 0, 65535, "Default: 8080; 0: any that is free, and stdout tells");
  add_integer(app, "--parallel", options->n_parallel, 1, 1024, "Sequences that run at once (default: 8)");
  add_integer(app, "--queue", options->n_queue, 0, 65536, "Requests that may wait beside them (default: 256)");
  add_switch(app, "--no-prefix-cache", options->no_prefix_cache,
             "Keep nothing of a prompt for the next one that begins alike");
  add_text(app, "--alias", options->alias, "NAME", "What /v1/models calls the model");
  add_text(app, "--api-key-file", options->key_file, "FILE", "Keys, NAME:KEY a line; read again on SIGHUP");
  add_text(app, "--api-key", options->key, "KEY", "One key; better in the environment: TERCET_API_KEY");
  add_switch(app, "--allow-open", options->allow_open, "Listen beyond this machine without a key");
  add_text_list(app, "--allow-host", options->hosts, "NAME",
                "A Host that requests may name; may be repeated, * for any");
  add_text_list(app, "--cors-origin", options->origins, "ORIGIN",
                "An Origin whose pages may ask (https://x.example, app://*); may be repeated");
  add_integer(app, "--max-connections", options->n_connection, 1, 1 << 20, "Connections at once (default: 1024)");
  add_integer(app, "--drain-timeout", options->drain_s, 0, 86400,
              "Seconds that requests have to end after SIGTERM (default: 60)");
  add_integer(app, "--request-timeout", options->request_s, 0, 1'000'000,
              "Seconds that a request may take; what there is then is its answer (default: 3600; 0: any)");
  add_integer(
      app, "--watchdog", options->watchdog_s, 0, 1'000'000,
      "Seconds that a step of the engine may take before the program ends with an error (default: 300; 0: any)");
  add_text(app, "--receipt", options->receipt, "FILE",
           "A receipt of `contract run`, shown on the page and at /receipt");
  add_choice(app, "--log-format", options->log_format, {"text", "json"}, "Form of the access log on stderr");
  return [options, &common] { return serve(*options, common); };
}

}  // namespace
}  // namespace serve_verb

const Verb kServe = {"serve", "Answer over HTTP, as OpenAI's and Anthropic's APIs do, and on a web page",
                     "SIGTERM and Ctrl-C finish what was begun and end; a second one ends at once.\n\n"
                     "Examples:\n"
                     "  tercet serve --demo\n"
                     "  tercet serve -m model.gguf --port 8080 --parallel 16\n"
                     "  tercet serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt",
                     serve_verb::declare};

}  // namespace tercet::cli
