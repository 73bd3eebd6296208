#include "chat/answer_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>

#include "chat/call_values.h"

namespace tercet::chat {
namespace {

namespace json = boost::json;
using Kind = AnswerEvent::Kind;

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kCall = "<tool_call>";
constexpr std::string_view kCallEnd = "</tool_call>";
constexpr std::string_view kFunction = "<function=";
constexpr std::string_view kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kParameterEnd = "</parameter>";
constexpr size_t kMaxName = 256;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

size_t without_space_at_end(std::string_view text, size_t end) {
  while (end > 0 && is_blank(text[end - 1])) --end;
  return end;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text.substr(0, without_space_at_end(text, text.size()));
}

// Where the last bytes begin that may yet become the marker; the size if none do.
size_t held_from(std::string_view text, std::string_view marker) {
  for (size_t n = std::min(text.size(), marker.size() - 1); n > 0; --n)
    if (text.substr(text.size() - n) == marker.substr(0, n)) return text.size() - n;
  return text.size();
}

// A name between `at` and '>': where the '>' is; nothing if there can be none; npos if it may yet come.
std::optional<size_t> name_end(std::string_view text, size_t at) {
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '>') return i;
    if (text[i] == '<' || text[i] == '\n' || i - at >= kMaxName) return std::nullopt;
  }
  return std::string_view::npos;
}

std::string_view clean_name(std::string_view name) {
  name = trim(name);
  if (name.size() >= 2 && name.front() == name.back() && (name.front() == '"' || name.front() == '\''))
    name = name.substr(1, name.size() - 2);
  return name;
}

}  // namespace

AnswerParser::AnswerParser(const AnswerOptions& options)
    : max_calls_(options.max_calls),
      state_(options.in_reasoning ? State::kReasoning : State::kStart),
      skips_space_(options.in_reasoning) {
  for (const json::value& tool : options.tools) {
    const json::object& given = tool.at("function").as_object();
    json::object properties;
    if (const json::value* schema = given.if_contains("parameters"); schema != nullptr && schema->is_object())
      if (const json::value* all = schema->get_object().if_contains("properties"); all != nullptr && all->is_object())
        properties = all->get_object();
    tools_[std::string(given.at("name").as_string())] = std::move(properties);
  }
}

std::vector<AnswerEvent> AnswerParser::push(std::string_view text) {
  buffer_ += text;
  while (!buffer_.empty() && step() == Step::kAgain) {
  }
  return std::exchange(out_, {});
}

std::vector<AnswerEvent> AnswerParser::finish() {
  is_final_ = true;
  while (!buffer_.empty() && step() == Step::kAgain) {
  }
  if (state_ == State::kValue) end_value("");
  if (state_ == State::kFunction) end_call();
  return std::exchange(out_, {});
}

AnswerParser::Step AnswerParser::step() {
  switch (state_) {
    case State::kStart: return start();
    case State::kReasoning: return reasoning();
    case State::kText: return text();
    case State::kCallHead: return call_head();
    case State::kFunction: return function();
    case State::kValue: return value();
    case State::kAfterCall: return after_call();
    case State::kDone: buffer_.clear(); return Step::kWait;
  }
  return Step::kWait;
}

bool AnswerParser::is_beginning_of(size_t at, std::string_view marker) const {
  const std::string_view rest = std::string_view(buffer_).substr(at);
  return !is_final_ && rest.size() < marker.size() && marker.starts_with(rest);
}

bool AnswerParser::starts(size_t at, std::string_view marker) const {
  return std::string_view(buffer_).substr(at).starts_with(marker);
}

size_t AnswerParser::skip_space(size_t at) const {
  while (at < buffer_.size() && is_blank(buffer_[at])) ++at;
  return at;
}

// Neighbours of one kind are one event.
void AnswerParser::emit(Kind kind, std::string_view text) {
  const bool is_piece = kind == Kind::kText || kind == Kind::kReasoning || kind == Kind::kCallArguments;
  if (is_piece && text.empty()) return;
  if (is_piece && !out_.empty() && out_.back().kind == kind) {
    out_.back().text += text;
  } else {
    const bool is_call = kind != Kind::kText && kind != Kind::kReasoning;
    out_.push_back({kind, std::string(text), is_call ? n_call_ - 1 : 0});
  }
}

AnswerParser::Step AnswerParser::start() {
  const size_t at = skip_space(0);
  if (!is_final_ && at == buffer_.size()) return wait();
  if (is_beginning_of(at, kThink)) return wait();
  if (starts(at, kThink)) {
    consume(at + kThink.size());
    skips_space_ = true;
    state_ = State::kReasoning;
  } else {
    state_ = State::kText;
  }
  return Step::kAgain;
}

AnswerParser::Step AnswerParser::reasoning() {
  if (skips_space_) {
    consume(skip_space(0));
    if (buffer_.empty()) return wait();
    skips_space_ = false;
  }
  const size_t end = buffer_.find(kThinkEnd);
  if (end != std::string::npos) {
    emit(Kind::kReasoning, std::string_view(buffer_).substr(0, without_space_at_end(buffer_, end)));
    consume(end + kThinkEnd.size());
    skips_space_ = true;
    state_ = State::kText;
    return Step::kAgain;
  }
  const size_t keep = is_final_ ? buffer_.size() : held_from(buffer_, kThinkEnd);
  const size_t n = without_space_at_end(buffer_, keep);
  emit(Kind::kReasoning, std::string_view(buffer_).substr(0, n));
  consume(is_final_ ? buffer_.size() : n);
  return wait();
}

AnswerParser::Step AnswerParser::text() {
  if (skips_space_) {
    consume(skip_space(0));
    if (buffer_.empty()) return wait();
    skips_space_ = false;
  }
  if (tools_.empty()) {
    emit(Kind::kText, buffer_);
    buffer_.clear();
    return wait();
  }
  const size_t call = buffer_.find(kCall);
  const size_t bare = buffer_.find(kFunction);
  const size_t at = std::min(call, bare);
  if (at != std::string::npos) {
    const size_t n = without_space_at_end(buffer_, at);
    emit(Kind::kText, std::string_view(buffer_).substr(0, n));
    consume(n);
    head_end_ = at - n + (call < bare ? kCall.size() : kFunction.size());
    scan_ = {};
    state_ = State::kCallHead;
    return Step::kAgain;
  }
  size_t n = buffer_.size();
  // The space before a call is not said, so that it waits until there is none.
  if (!is_final_) n = without_space_at_end(buffer_, std::min(held_from(buffer_, kCall), held_from(buffer_, kFunction)));
  emit(Kind::kText, std::string_view(buffer_).substr(0, n));
  consume(n);
  return wait();
}

AnswerParser::Step AnswerParser::no_call() {
  emit(Kind::kText, std::string_view(buffer_).substr(0, head_end_));
  consume(head_end_);
  state_ = State::kText;
  return Step::kAgain;
}

AnswerParser::Step AnswerParser::call_head() {
  if (std::string_view(buffer_).substr(0, head_end_).ends_with(kFunction)) return function_head(head_end_);
  const size_t at = skip_space(head_end_);
  if (at == buffer_.size()) return is_final_ ? no_call() : wait();
  if (buffer_[at] == '{') return json_call(at);
  if (is_beginning_of(at, kFunction)) return wait();
  return starts(at, kFunction) ? function_head(at + kFunction.size()) : no_call();
}

AnswerParser::Step AnswerParser::function_head(size_t at) {
  const std::optional<size_t> end = name_end(buffer_, at);
  if (!end || (*end == std::string::npos && is_final_)) return no_call();
  if (*end == std::string::npos) return wait();
  const std::string name(clean_name(std::string_view(buffer_).substr(at, *end - at)));
  if (!tools_.contains(name)) return no_call();
  consume(*end + 1);
  begin_call(name);
  emit(Kind::kCallArguments, "{");
  state_ = State::kFunction;
  return Step::kAgain;
}

// The whole of it has to be there: only then is it known to be JSON.
AnswerParser::Step AnswerParser::json_call(size_t at) {
  scan_.at = std::max(scan_.at, at);
  for (; scan_.at < buffer_.size(); ++scan_.at) {
    const char c = buffer_[scan_.at];
    if (scan_.in_string) {
      if (!scan_.escaped && c == '"') scan_.in_string = false;
      scan_.escaped = !scan_.escaped && c == '\\';
    } else if (c == '"') {
      scan_.in_string = true;
    } else if (c == '{' || c == '[') {
      ++scan_.depth;
    } else if ((c == '}' || c == ']') && --scan_.depth == 0) {
      break;
    }
  }
  if (scan_.at == buffer_.size()) return is_final_ ? no_call() : wait();
  const auto call = parse_json_call(std::string_view(buffer_).substr(at, scan_.at + 1 - at));
  if (!call || !tools_.contains(call->name)) return no_call();
  consume(scan_.at + 1);
  begin_call(call->name);
  emit(Kind::kCallArguments, call->arguments);
  emit(Kind::kCallEnd, "");
  state_ = n_call_ >= max_calls_ ? State::kDone : State::kAfterCall;
  return Step::kAgain;
}

void AnswerParser::begin_call(const std::string& name) {
  ++n_call_;
  properties_ = &tools_.find(name)->second;
  given_.clear();
  emit(Kind::kCallBegin, name);
}

void AnswerParser::end_call() {
  emit(Kind::kCallArguments, "}");
  emit(Kind::kCallEnd, "");
  state_ = n_call_ >= max_calls_ ? State::kDone : State::kAfterCall;
}

AnswerParser::Step AnswerParser::function() {
  consume(skip_space(0));
  if (buffer_.empty()) return wait();
  if (starts(0, kParameter)) return parameter_head();
  if (is_beginning_of(0, kParameter) || is_beginning_of(0, kFunctionEnd)) return wait();
  if (starts(0, kFunctionEnd)) {
    consume(kFunctionEnd.size());
  } else if (kParameter.starts_with(buffer_) || kFunctionEnd.starts_with(buffer_)) {
    buffer_.clear();  // the answer was cut in the midst of a mark
  }
  end_call();  // by its mark, or by something that is no part of a call
  return Step::kAgain;
}

AnswerParser::Step AnswerParser::parameter_head() {
  const std::optional<size_t> end = name_end(buffer_, kParameter.size());
  if (end == std::string::npos && !is_final_) return wait();
  if (!end || *end == std::string::npos) {
    if (is_final_) buffer_.clear();  // the answer was cut in the midst of a name
    end_call();
    return Step::kAgain;
  }
  parameter_ = clean_name(std::string_view(buffer_).substr(kParameter.size(), *end - kParameter.size()));
  consume(*end + 1);
  is_repeated_ = !given_.insert(parameter_).second;
  const json::value* schema = properties_->if_contains(parameter_);
  streams_value_ = is_string_only(schema);
  at_value_start_ = true;
  value_open_ = false;
  if (!is_repeated_)
    emit(Kind::kCallArguments,
         fmt::format("{}{}: ", given_.size() > 1 ? ", " : "", json::serialize(json::string(parameter_))));
  state_ = State::kValue;
  return Step::kAgain;
}

// `rest`: of the value, all that is not out yet.
void AnswerParser::end_value(std::string_view rest) {
  if (!is_repeated_ && streams_value_) {
    if (!value_open_) emit(Kind::kCallArguments, "\"");
    emit(Kind::kCallArguments, json_escaped(rest));
    emit(Kind::kCallArguments, "\"");
  } else if (!is_repeated_) {
    emit(Kind::kCallArguments, typed_value(rest, properties_->if_contains(parameter_)));
  }
  state_ = State::kFunction;
}

namespace {

// Where in a value an end begins and where it ends: </parameter>, or, where that was forgotten, </function> before
// </tool_call>. `maybe`: from there on the text may yet become an end.
struct ValueEnd {
  size_t begin = std::string_view::npos;
  size_t end = std::string_view::npos;
  size_t maybe = std::string_view::npos;
};

ValueEnd find_value_end(std::string_view text, bool is_final) {
  for (size_t at = text.find("</"); at != std::string_view::npos; at = text.find("</", at + 1)) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(kParameterEnd)) return {at, at + kParameterEnd.size(), at};
    if (rest.size() < kParameterEnd.size() && (kParameterEnd.starts_with(rest) || kFunctionEnd.starts_with(rest)))
      return {.maybe = at};
    if (!rest.starts_with(kFunctionEnd)) continue;
    size_t next = kFunctionEnd.size();
    while (next < rest.size() && is_blank(rest[next])) ++next;
    if (rest.substr(next).starts_with(kCallEnd)) return {at, at, at};
    if (next == rest.size() && is_final) return {at, at, at};
    if (kCallEnd.starts_with(rest.substr(next))) return {.maybe = at};
  }
  if (!text.empty() && text.back() == '<') return {.maybe = text.size() - 1};
  return {};
}

}  // namespace

AnswerParser::Step AnswerParser::value() {
  if (at_value_start_) {
    if (buffer_ == "\r" && !is_final_) return wait();
    if (starts(0, "\r\n")) consume(1);
    if (starts(0, "\n")) consume(1);
    at_value_start_ = false;
  }
  const ValueEnd found = find_value_end(buffer_, is_final_);
  const std::string_view text = buffer_;
  size_t n = std::min({found.begin, found.maybe, text.size()});
  if (n > 0 && text[n - 1] == '\n') --n;  // the line's end before the mark belongs to the mark
  if (found.begin != std::string_view::npos || is_final_) {
    end_value(text.substr(0, n));
    consume(std::min(found.end, buffer_.size()));
    return Step::kAgain;
  }
  if (!streams_value_ || n == 0) return wait();
  if (!is_repeated_) {
    if (!value_open_) emit(Kind::kCallArguments, "\"");
    emit(Kind::kCallArguments, json_escaped(text.substr(0, n)));
  }
  value_open_ = true;
  consume(n);
  return wait();
}

AnswerParser::Step AnswerParser::after_call() {
  consume(skip_space(0));
  if (buffer_.empty() || is_beginning_of(0, kCallEnd)) return wait();
  if (starts(0, kCallEnd)) {
    consume(kCallEnd.size());
  } else if (kCallEnd.starts_with(buffer_)) {
    buffer_.clear();  // cut
  } else {
    state_ = State::kText;
  }
  return Step::kAgain;
}

}  // namespace tercet::chat
