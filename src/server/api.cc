#include "server/api.h"

#include <array>
#include <boost/json.hpp>

#include "base/text.h"
#include "server/anthropic.h"
#include "server/assets.h"
#include "server/fields.h"
#include "server/openai.h"
#include "server/responses.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

constexpr std::array kRoutes = {
    RouteInfo{Route::kHealth, "/health", "GET"},
    RouteInfo{Route::kHealth, "/v1/health", "GET"},
    RouteInfo{Route::kMetrics, "/metrics", "GET"},
    RouteInfo{Route::kAsset, "/", "GET"},
    RouteInfo{Route::kAsset, "/page.css", "GET"},
    RouteInfo{Route::kAsset, "/page.js", "GET"},
    RouteInfo{Route::kAsset, "/favicon.svg", "GET"},
    RouteInfo{Route::kAsset, "/openapi.json", "GET"},
    RouteInfo{Route::kModels, "/v1/models", "GET"},
    RouteInfo{Route::kModels, "/v1/models/{model}", "GET"},
    RouteInfo{Route::kModels, "/models", "GET"},
    RouteInfo{Route::kProps, "/props", "GET"},
    RouteInfo{Route::kReceipt, "/receipt", "GET"},
    RouteInfo{Route::kTokenize, "/tokenize", "POST"},
    RouteInfo{Route::kDetokenize, "/detokenize", "POST"},
    RouteInfo{Route::kApplyTemplate, "/apply-template", "POST"},
    RouteInfo{Route::kChatCompletions, "/v1/chat/completions", "POST"},
    RouteInfo{Route::kChatCompletions, "/chat/completions", "POST"},
    RouteInfo{Route::kCompletions, "/v1/completions", "POST"},
    RouteInfo{Route::kResponses, "/v1/responses", "POST"},
    RouteInfo{Route::kMessages, "/v1/messages", "POST"},
    RouteInfo{Route::kCountTokens, "/v1/messages/count_tokens", "POST"},
};

// What a model writes is never more than text on the page, and if it were, nothing of it would run or be fetched.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPageHeaders = {{
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
}};

std::string_view content_type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return name.ends_with(".svg") ? "image/svg+xml" : "application/json";
}

HttpResponse json_response(const json::value& value) { return {.status = 200, .body = json::serialize(value)}; }

json::object model_json(const ServedModel& model) {
  return {{"id", valid_utf8(model.name)},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "tercet"},
          {"context_length", model.n_ctx},
          {"max_model_len", model.n_ctx},
          {"meta", {{"n_ctx", model.n_ctx}, {"n_ctx_train", model.n_ctx_train}, {"n_vocab", model.n_vocab}}}};
}

Reply models(const HttpRequest& request, const ServedModel& model) {
  if (request.path.starts_with("/v1/models/")) return json_response(model_json(model));
  return json_response(json::object{{"object", "list"}, {"data", json::array{model_json(model)}}});
}

Reply props(const ServedModel& model) {
  json::object defaults = default_sampling(model);
  return json_response(json::object{{"model", valid_utf8(model.name)},
                                    {"backend", model.backend},
                                    {"device", valid_utf8(model.device)},
                                    {"n_ctx", model.n_ctx},
                                    {"total_slots", model.n_parallel},
                                    {"has_thinking", model.has_thinking()},
                                    {"has_receipt", !model.receipt.empty()},
                                    {"default_sampling", defaults},
                                    {"default_generation_settings", {{"n_ctx", model.n_ctx}, {"params", defaults}}},
                                    {"chat_template", valid_utf8(model.chat_template_source)},
                                    {"bos_token", valid_utf8(model.bos_token)},
                                    {"eos_token", valid_utf8(model.eos_token)}});
}

Api<Reply> receipt(const ServedModel& model) {
  if (model.receipt.empty()) return refuse(404, "receipt: none is served, want --receipt FILE", "not_found");
  return Reply(HttpResponse{.status = 200, .body = model.receipt});
}

Api<Reply> tokenize(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  // llama-server's name for the text, then vLLM's.
  ASSIGN_OR_RETURN(auto text, fields.text("content"));
  ASSIGN_OR_RETURN(auto prompt, fields.text("prompt"));
  if (!text) text = std::move(prompt);
  if (!text) return tl::make_unexpected(ApiError(fields.wrong("content", "a string").value()));
  ASSIGN_OR_RETURN(const auto special, fields.boolean("parse_special"));
  ASSIGN_OR_RETURN(const auto pieces, fields.boolean("with_pieces"));
  json::array tokens;
  const auto ids = model.tokenizer->encode(*text, special.value_or(true));
  for (const engine::TokenId id : ids) {
    if (!pieces.value_or(false)) {
      tokens.push_back(id);
    } else {
      const auto piece = model.tokenizer->token_bytes(id);
      tokens.push_back({{"id", id}, {"piece", piece ? valid_utf8(*piece) : ""}});
    }
  }
  return Reply(json_response(
      json::object{{"tokens", std::move(tokens)}, {"count", ids.size()}, {"max_model_len", model.n_ctx}}));
}

Api<Reply> detokenize(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  ASSIGN_OR_RETURN(const json::array* tokens, fields.array("tokens"));
  if (tokens == nullptr) return tl::make_unexpected(ApiError(fields.wrong("tokens", "an array of token ids").value()));
  std::vector<engine::TokenId> ids;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const json::value& id = (*tokens)[i];
    const auto number = whole_number(id);
    if (!number || *number < 0 || *number >= model.tokenizer->vocab_size())
      return refuse(400,
                    fmt::format("tokens[{}]: {}, want a token id, 0 to {}", i,
                                id.is_number() ? json::serialize(id) : std::string(kind_of(id)),
                                model.tokenizer->vocab_size() - 1),
                    "", fmt::format("tokens[{}]", i));
    ids.push_back(static_cast<engine::TokenId>(*number));
  }
  ASSIGN_OR_RETURN(const std::string text, model.tokenizer->decode(ids));
  return Reply(json_response(json::object{{"content", valid_utf8(text)}}));
}

bool is_path_of(const RouteInfo& route, std::string_view path) {
  const size_t begin = route.path.find('{');
  if (begin == std::string_view::npos) return path == route.path;
  return path.size() > begin && path.starts_with(route.path.substr(0, begin));
}

Api<Reply> apply_template(const json::object& body, const ServedModel& model) {
  ASSIGN_OR_RETURN(const ChatInput input, read_chat_input(Fields(body)));
  ASSIGN_OR_RETURN(const std::string prompt, render_prompt(input, model));
  return Reply(json_response(json::object{{"prompt", valid_utf8(prompt)}}));
}

}  // namespace

std::span<const RouteInfo> routes() { return kRoutes; }

Api<RouteInfo> find_route(std::string_view method, std::string_view path) {
  const RouteInfo* found = nullptr;
  for (const RouteInfo& route : kRoutes)
    if (is_path_of(route, path)) found = &route;
  if (found == nullptr)
    return refuse(404, fmt::format("path: {}, want one of the API's", printable(path)), "not_found");
  const bool is_head = method == "HEAD" && found->method == "GET";
  if (method != found->method && !is_head) {
    ApiError wrong(405, fmt::format("method: {}, want {} for {}", printable(method), found->method, found->path),
                   "method_not_allowed");
    wrong.allow = found->method == "GET" ? "GET, HEAD" : found->method;
    return tl::make_unexpected(std::move(wrong));
  }
  return *found;
}

std::optional<HttpResponse> answer_without_model(const RouteInfo& route) {
  if (route.route != Route::kAsset) return std::nullopt;
  const std::string_view name = route.path == "/" ? "page.html" : route.path.substr(1);
  HttpResponse out{.status = 200, .body = std::string(asset(name)), .content_type = std::string(content_type_of(name))};
  out.headers = {{"Cache-Control", "no-cache"}};
  if (name == "page.html")
    for (const auto& [header, value] : kPageHeaders) out.headers.emplace_back(header, value);
  return out;
}

Api<Reply> answer(Route route, const HttpRequest& request, const ServedModel& model) {
  if (route == Route::kModels) return models(request, model);
  if (route == Route::kProps) return props(model);
  if (route == Route::kReceipt) return receipt(model);
  ASSIGN_OR_RETURN(const json::object body, parse_body(request.body));
  switch (route) {
    case Route::kTokenize: return tokenize(body, model);
    case Route::kDetokenize: return detokenize(body, model);
    case Route::kApplyTemplate: return apply_template(body, model);
    case Route::kChatCompletions: return chat_completions(body, model);
    case Route::kCompletions: return completions(body, model);
    case Route::kResponses: return responses(body, model);
    case Route::kMessages: return messages(body, model);
    case Route::kCountTokens: return count_message_tokens(body, model);
    default: return refuse(404, "path: no handler, want one of the API's", "not_found");
  }
}

}  // namespace tercet::server
