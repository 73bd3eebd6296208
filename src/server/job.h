// Owns what an API makes of a request that needs the engine: what the engine is asked, and how its events become an
// answer. A job is used by one connection at a time and knows neither sockets nor threads.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/request.h"
#include "server/http.h"

namespace tercet::server {

// What the engine says of one of a job's requests; a copy, for another thread.
struct Event {
  enum class Kind { kToken, kProgress, kFinish };
  Kind kind = Kind::kToken;
  int choice = 0;    // index into Job::take_requests()
  std::string text;  // kToken and kFinish; bytes as the model gave them
  engine::TokenId token = -1;
  float logprob = 0;
  std::vector<backend::TokenLogprob> top = {};
  engine::Progress progress = {};  // kProgress
  engine::FinishReason reason = engine::FinishReason::kError;
  std::string stop_string = {};
  std::string error = {};
  bool is_late = false;  // the error is that its time was over before its first token
  engine::Timings timings = {};
};

class Job {
 public:
  virtual ~Job() = default;

  virtual std::vector<engine::Request> take_requests() = 0;
  // Whether the answer is a stream of server-sent events; else response() is all of it.
  virtual bool streams() const = 0;

  // What is to be written: when the request was admitted, after each event, and after the last one.
  virtual std::string begin() { return {}; }
  virtual std::string on_event(const Event& event) = 0;
  virtual std::string end() { return {}; }
  // Choices that need no more tokens; each is told once.
  virtual std::vector<int> take_done() { return {}; }
  // What is written when there was nothing to write for long.
  virtual std::string keep_alive() const { return ": still at work\n\n"; }
  // What is written of a failure in the midst of a stream.
  virtual std::string failure(const ApiError& error) const = 0;

  virtual HttpResponse response() = 0;
};

// What a handler makes of a request.
using Reply = std::variant<HttpResponse, std::unique_ptr<Job>>;

// "data: TEXT\n\n", with the event's name before it if there is one.
std::string sse(std::string_view data, std::string_view event = {});

// "chatcmpl-" and 24 letters that nobody had before.
std::string new_id(std::string_view prefix);

}  // namespace tercet::server
