// Owns the split of a model's text, while it streams, into what was thought, what is said, and the tools that are called:
// Qwen3-Coder's XML calls (<function=NAME>) and Qwen3's JSON calls, both within <tool_call> or, the first, without.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tercet::chat {

struct AnswerEvent {
  enum class Kind { kText, kReasoning, kCallBegin, kCallArguments, kCallEnd };
  Kind kind;
  std::string text;  // the name of the tool at kCallBegin; at kCallArguments a piece of the arguments' JSON
  int call = 0;      // which call, from 0
  bool operator==(const AnswerEvent&) const = default;
};

struct AnswerOptions {
  boost::json::array tools;   // normalised; empty: whatever looks like a call is text
  bool in_reasoning = false;  // the prompt ended with <think>
  int max_calls = 1 << 30;
};

// What it makes of a text does not depend on how the text was cut in pieces, but for where the pieces of text and
// arguments are cut. A call is announced when its tool's name is complete and one of the tools given; from then on its
// arguments end as a valid JSON object, whatever follows. What is no call comes back as text, to the byte.
class AnswerParser {
 public:
  explicit AnswerParser(const AnswerOptions& options);

  std::vector<AnswerEvent> push(std::string_view text);
  // Nothing more comes. What was held back comes out, and a call that is open is closed.
  std::vector<AnswerEvent> finish();

  int n_call() const { return n_call_; }
  // The last call that was allowed has ended: whatever follows is dropped.
  bool is_done() const { return state_ == State::kDone; }

 private:
  enum class State { kStart, kReasoning, kText, kCallHead, kFunction, kValue, kAfterCall, kDone };
  enum class Step { kAgain, kWait };

  Step step();
  Step start();
  Step reasoning();
  Step text();
  Step call_head();
  Step function_head(size_t at);
  Step json_call(size_t at);
  Step function();
  Step parameter_head();
  Step value();
  Step after_call();
  Step wait() const { return Step::kWait; }

  bool is_beginning_of(size_t at, std::string_view marker) const;  // of what may yet become the marker
  bool starts(size_t at, std::string_view marker) const;
  size_t skip_space(size_t at) const;
  Step no_call();
  void begin_call(const std::string& name);
  void end_call();
  void end_value(std::string_view rest);
  void emit(AnswerEvent::Kind kind, std::string_view text);
  void consume(size_t n) { buffer_.erase(0, n); }

  std::map<std::string, boost::json::object, std::less<>> tools_;  // name to properties
  const int max_calls_;
  State state_;
  std::string buffer_;
  std::vector<AnswerEvent> out_;
  bool is_final_ = false;
  bool skips_space_ = false;  // at the beginning of reasoning, and of the text after it
  int n_call_ = 0;

  // The call under way.
  size_t head_end_ = 0;  // in the buffer, past the marker that may begin a call
  struct {
    size_t at = 0;
    int depth = 0;
    bool in_string = false, escaped = false;
  } scan_;  // of a JSON call
  const boost::json::object* properties_ = nullptr;
  std::set<std::string, std::less<>> given_;
  std::string parameter_;
  bool is_repeated_ = false;
  bool streams_value_ = false;
  bool at_value_start_ = false;
  bool value_open_ = false;  // its first quote is out
};

}  // namespace tercet::chat
