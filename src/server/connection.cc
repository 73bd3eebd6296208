// One connection: reads a request within its limits, lets the API make a reply of it, and writes that, as a whole or as
// the events of a stream.
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <cctype>
#include <deque>

#include "base/clock.h"
#include "base/log.h"
#include "server/api.h"
#include "server/http_head.h"
#include "server/server_state.h"

namespace tercet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Phase = ServerState::Phase;

// Counts a request while it is under way; the server waits for it when it drains.
class Busy {
 public:
  explicit Busy(ServerState& state) : state_(state) { ++state_.n_busy; }
  ~Busy() { --state_.n_busy; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  ServerState& state_;
};

// Where the engine's events wait for the connection. All of it is touched on the connection's strand alone, but for the
// sink, which posts there.
struct Inbox : std::enable_shared_from_this<Inbox> {
  explicit Inbox(const asio::any_io_executor& its_executor) : executor(its_executor), timer(its_executor) {}

  EngineThread::Sink sink() {
    return [self = shared_from_this()](Event event) {
      asio::post(self->executor, [self, event = std::move(event)]() mutable {
        self->events.push_back(std::move(event));
        self->timer.cancel();
      });
    };
  }

  asio::any_io_executor executor;
  asio::steady_timer timer;
  std::deque<Event> events;
  bool is_gone = false;  // the client is
  bool is_over = false;  // the job is, and perhaps the connection
};

// One request and how its answer goes. It stands outside of the coroutines: g++ 12 lays out frames wrongly that hold
// much, or that make aggregates in a co_await's expression.
struct Exchange {
  explicit Exchange(ServerState& state) {
    parser.header_limit(static_cast<std::uint32_t>(state.options.max_header_bytes));
    parser.body_limit(state.options.max_body_bytes);
  }

  Parser parser;
  HttpRequest request;
  std::optional<RouteInfo> route;
  std::string key_name;
  std::optional<ApiError> refusal;
  std::unique_ptr<Job> job;
  std::vector<engine::RequestId> ids;
  std::shared_ptr<Inbox> inbox;
  size_t n_left = 0;  // of the job's requests
  bool has_token = false;
  bool is_folded = false;  // the header has a line that is
  std::string pending;     // of a stream: not written yet
  int status = 0;          // of the answer; 0: there was none
  int64_t n_byte = 0;
  bool is_gone = false;  // nobody is there any more
  bool closes = false;
  Stopwatch clock;

  Dialect dialect() const { return dialect_of(request.path); }
};

class Connection {
 public:
  Connection(beast::tcp_stream stream, ServerState& state) : stream_(std::move(stream)), state_(state) {
    error_code ignored;
    const auto peer = stream_.socket().remote_endpoint(ignored);
    peer_ = ignored ? "?" : peer.address().to_string();
  }

  asio::awaitable<void> run();

 private:
  asio::awaitable<void> serve(Exchange& x);
  asio::awaitable<void> read_header(Exchange& x);
  asio::awaitable<void> read_body(Exchange& x);
  asio::awaitable<void> run_job(Exchange& x);
  asio::awaitable<void> stream_events(Exchange& x);
  asio::awaitable<void> write_response(Exchange& x, HttpResponse& response);
  asio::awaitable<void> refuse_request(Exchange& x);
  asio::awaitable<bool> write_text(const std::string& text);
  asio::awaitable<bool> write_chunk(std::string& text);
  asio::awaitable<bool> begin_stream(const HttpRequest& request);
  asio::awaitable<void> close();

  bool take_header(Exchange& x, error_code& failed);
  void admit(Exchange& x);
  bool preflight(const Exchange& x, HttpResponse& response) const;
  void make_reply(Exchange& x, HttpResponse& response);
  void take_events(Exchange& x) const;
  void watch(const std::shared_ptr<Inbox>& inbox);
  void log(const Exchange& x) const;
  HttpResponse health() const;
  void add_common_headers(http::fields& fields, const HttpRequest& request) const;

  beast::tcp_stream stream_;
  ServerState& state_;
  beast::flat_buffer buffer_;
  std::string peer_;
  unsigned version_ = 11;
  bool keeps_alive_ = true;  // after the request under way
  bool is_head_ = false;
};

asio::awaitable<void> Connection::run() {
  bool goes_on = true;
  while (goes_on) {
    const auto x = std::make_unique<Exchange>(state_);
    co_await read_header(*x);
    if (x->is_gone) break;
    {
      const Busy busy(state_);
      co_await serve(*x);
      if (x->status != 0) log(*x);
    }
    goes_on = keeps_alive_ && !x->is_gone && !x->closes && x->status != 0;
  }
  co_await close();
}

asio::awaitable<void> Connection::read_header(Exchange& x) {
  error_code failed;
  if (buffer_.size() == 0) {
    // Between two requests a connection may rest; once a byte is there, the others have to follow.
    stream_.expires_after(state_.options.idle_timeout);
    const auto room = buffer_.prepare(4096);
    const size_t n = co_await stream_.async_read_some(room, asio::redirect_error(asio::use_awaitable, failed));
    x.is_gone = failed.failed();
    if (failed) co_return;
    buffer_.commit(n);
  }
  stream_.expires_after(state_.options.header_timeout);
  bool is_whole = take_header(x, failed);
  while (!is_whole && !failed) {
    const auto room = buffer_.prepare(4096);
    const size_t n = co_await stream_.async_read_some(room, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) break;
    buffer_.commit(n);
    is_whole = take_header(x, failed);
  }
  x.is_gone = failed && is_nobody(failed);
  if (failed) {
    x.refusal = reading_failed(failed, state_.options);
  } else if (x.is_folded) {
    x.refusal = folded_line();
  } else if (const Api<void> form = check_form(x.parser); !form) {
    x.refusal = form.error();
  }
}

// Parses what has been read of a header. Whether that was all of it.
bool Connection::take_header(Exchange& x, error_code& failed) {
  const auto bytes = buffer_.data();
  const size_t n = x.parser.put(bytes, failed);
  if (failed == http::error::need_more) failed = {};
  x.is_folded = x.is_folded || has_folded_line({static_cast<const char*>(bytes.data()), n});
  buffer_.consume(n);
  return x.parser.is_header_done();
}

asio::awaitable<void> Connection::read_body(Exchange& x) {
  error_code failed;
  if (x.parser.is_done()) co_return;
  if (beast::iequals(x.parser.get()[http::field::expect], "100-continue")) {
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool written = co_await write_text(go_on);
    x.is_gone = !written;
    if (!written) co_return;
  }
  stream_.expires_after(state_.options.body_timeout);
  co_await http::async_read(stream_, buffer_, x.parser, asio::redirect_error(asio::use_awaitable, failed));
  x.is_gone = failed && is_nobody(failed);
  if (failed) x.refusal = reading_failed(failed, state_.options);
}

void Connection::log(const Exchange& x) const {
  AccessLine line;
  line.id = x.request.id;
  line.method = x.request.method;
  line.path = x.request.path;
  line.key_name = x.key_name;
  line.peer = peer_;
  line.traceparent = std::string(x.request.header("traceparent"));
  line.status = x.status;
  line.ms = x.clock.elapsed_ms();
  line.n_byte = x.n_byte;
  line.is_gone = x.is_gone;
  state_.access_log.note(line);
}

// Whether a browser asks what it may, and may.
bool Connection::preflight(const Exchange& x, HttpResponse& response) const {
  if (x.refusal || x.request.method != "OPTIONS") return false;
  response.headers = state_.guard->cors_headers(x.request);
  if (response.headers.empty()) return false;
  response.status = 204;
  response.content_type.clear();
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.headers.emplace_back("Access-Control-Allow-Headers", "*, Authorization, Content-Type, X-Api-Key");
  return true;
}

// Who asks, and for what: all that is known before the body is read.
void Connection::admit(Exchange& x) {
  const auto route = find_route(x.request.method, x.request.path);
  if (route) x.route = *route;
  // Health is anybody's to ask, from whatever name.
  if (route && route->is_open()) {
    if (const Api<void> from = state_.guard->check_source(x.request); !from) {
      x.refusal = from.error();
      state_.metrics.note_refused("forbidden");
    }
  } else if (!route || route->route != Route::kHealth) {
    const Api<std::string> name = state_.guard->check(x.request);
    if (name) {
      x.key_name = *name;
    } else {
      x.refusal = name.error();
      state_.metrics.note_refused(name.error().status == 401 ? "unauthorized" : "forbidden");
    }
  }
  if (!x.refusal && !route) x.refusal = route.error();
  // The body was not read: what follows on the connection would be it.
  if (x.refusal) x.refusal->closes = x.refusal->closes || !x.parser.is_done();
}

asio::awaitable<void> Connection::refuse_request(Exchange& x) {
  HttpResponse response = error_response(*x.refusal, x.dialect(), x.request.id);
  state_.metrics.note_http(x.route ? x.route->path : "none", response.status);
  co_await write_response(x, response);
}

asio::awaitable<void> Connection::serve(Exchange& x) {
  x.clock.restart();
  x.request = describe(x.parser);
  version_ = x.parser.get().version() == 10 ? 10 : 11;
  is_head_ = x.parser.get().method() == http::verb::head;
  keeps_alive_ = !x.refusal && x.parser.keep_alive() && state_.phase != Phase::kDraining;
  HttpResponse response;
  if (preflight(x, response)) {
    co_await write_response(x, response);
    co_return;
  }
  if (!x.refusal) admit(x);
  if (!x.refusal) co_await read_body(x);
  if (x.is_gone) co_return;
  if (!x.refusal) make_reply(x, response);
  if (x.refusal) {
    co_await refuse_request(x);
  } else if (x.job) {
    co_await run_job(x);
  } else {
    state_.metrics.note_http(x.route->path, response.status);
    co_await write_response(x, response);
  }
}

HttpResponse Connection::health() const {
  const Phase phase = state_.phase;
  const bool is_serving = phase == Phase::kReady;
  const bool is_ready = is_serving && !state_.serving.engine->is_stuck();
  const std::string_view status = is_ready                   ? "ok"
                                  : is_serving               ? "stuck"
                                  : phase == Phase::kLoading ? "loading"
                                                             : "draining";
  boost::json::object out = {{"status", status}};
  if (is_serving) {
    out["requests_running"] = state_.serving.engine->n_running();
    out["requests_waiting"] = state_.serving.engine->n_waiting();
  }
  return {.status = is_ready ? 200 : 503, .body = boost::json::serialize(out)};
}

// A response, a job, or a refusal.
void Connection::make_reply(Exchange& x, HttpResponse& response) {
  x.request.body = std::move(x.parser.get().body());
  const Phase phase = state_.phase;
  if (x.route->route == Route::kHealth) {
    response = health();
  } else if (x.route->route == Route::kMetrics) {
    state_.metrics.note_dropped_lines(state_.access_log.n_dropped());
    response.body = state_.metrics.text();
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  } else if (auto fixed = answer_without_model(*x.route)) {
    response = std::move(*fixed);
  } else if (phase != Phase::kReady) {
    x.refusal = ApiError(503,
                         phase == Phase::kLoading ? "server: loading its model, want it ready; try again later"
                                                  : "server: ending, want another; nothing new is begun",
                         "unavailable");
    x.refusal->retry_after_s = 2;
    x.refusal->closes = phase != Phase::kLoading;
  } else {
    try {
      Api<Reply> made = answer(x.route->route, x.request, *state_.serving.model);
      if (!made) {
        x.refusal = made.error();
      } else if (auto* whole = std::get_if<HttpResponse>(&*made)) {
        response = std::move(*whole);
      } else {
        x.job = std::move(std::get<std::unique_ptr<Job>>(*made));
      }
    } catch (const std::bad_alloc&) {
      x.refusal = ApiError(503, "memory: none left for this request, want a smaller one", "out_of_memory");
    }
  }
  x.request.body = {};
}

// Sees a client that goes while there is nothing to write to it. One that sends more is there; whether it leaves later
// shows when it is written to.
void Connection::watch(const std::shared_ptr<Inbox>& inbox) {
  stream_.socket().async_wait(beast::tcp_stream::socket_type::wait_read, [this, inbox](const error_code& failed) {
    if (failed || inbox->is_over) return;
    char byte = 0;
    error_code peeked;
    stream_.socket().non_blocking(true, peeked);
    const size_t n = stream_.socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, peeked);
    if (n == 0 && peeked != asio::error::would_block) {
      inbox->is_gone = true;
      inbox->timer.cancel();
    }
  });
}

asio::awaitable<void> Connection::run_job(Exchange& x) {
  x.inbox = std::make_shared<Inbox>(stream_.get_executor());
  std::vector<engine::Request> requests = x.job->take_requests();
  x.n_left = requests.size();
  Api<std::vector<engine::RequestId>> ids =
      state_.serving.engine->submit(std::move(requests), x.inbox->sink(), x.key_name);
  if (!ids) {
    x.refusal = ids.error();
    co_await refuse_request(x);
    co_return;
  }
  x.ids = std::move(*ids);
  co_await stream_events(x);
  x.inbox->is_over = true;
  error_code ignored;
  stream_.socket().cancel(ignored);  // the watch
  x.is_gone = x.inbox->is_gone;
  if (x.is_gone || x.refusal)
    for (const engine::RequestId id : x.ids) state_.serving.engine->cancel(id);
  if (x.is_gone) co_return;
  if (!x.job->streams() && x.refusal) {
    co_await refuse_request(x);
  } else if (!x.job->streams()) {
    HttpResponse response = x.job->response();
    state_.metrics.note_http(x.route->path, response.status);
    co_await write_response(x, response);
  } else {
    state_.metrics.note_http(x.route->path, 200);
    x.pending = x.refusal ? x.job->failure(*x.refusal) : std::string();
    bool written = co_await write_chunk(x.pending);
    const std::string last = "0\r\n\r\n";
    if (written && version_ == 11) written = co_await write_text(last);
    x.is_gone = !written;
    x.closes = version_ == 10 || x.refusal.has_value();
  }
}

// What has come from the engine, as text to be written.
void Connection::take_events(Exchange& x) const {
  const std::deque<Event> events = std::exchange(x.inbox->events, {});
  for (const Event& event : events) {
    if (event.kind == Event::Kind::kFinish) --x.n_left;
    x.has_token = x.has_token || event.kind == Event::Kind::kToken;
    if (event.is_late && !x.has_token) {
      x.refusal = ApiError(504, event.error, "timeout");
    } else if (!event.error.empty() && !event.is_late) {
      x.refusal = ApiError(500, event.error, "backend_failed");
    }
    x.pending += x.job->on_event(event);
  }
  for (const int choice : x.job->take_done()) state_.serving.engine->cancel(x.ids[static_cast<size_t>(choice)]);
  if (x.n_left == 0 && !x.refusal) x.pending += x.job->end();
}

// Until the last event, a failure, or the client's going.
asio::awaitable<void> Connection::stream_events(Exchange& x) {
  Inbox& inbox = *x.inbox;
  x.status = 200;
  x.pending = x.job->begin();
  if (x.job->streams()) {
    const bool written = co_await begin_stream(x.request);
    inbox.is_gone = !written;
  }
  watch(x.inbox);
  // Since the last byte, not the last event: of a prompt's progress, or of text that is held back, nothing may be written.
  Stopwatch silence;
  const double longest_ms = std::chrono::duration<double, std::milli>(state_.options.keep_alive).count();
  while (x.n_left > 0 && !inbox.is_gone && !x.refusal) {
    if (inbox.events.empty() && x.pending.empty()) {
      inbox.timer.expires_after(state_.options.keep_alive);
      error_code woken;
      co_await inbox.timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    take_events(x);
    if (x.pending.empty() && silence.elapsed_ms() >= longest_ms) x.pending = x.job->keep_alive();
    if (!x.job->streams() || x.refusal) {
      x.pending.clear();
      continue;
    }
    x.n_byte += static_cast<int64_t>(x.pending.size());
    if (!x.pending.empty()) silence.restart();
    const bool written = co_await write_chunk(x.pending);
    if (!written) inbox.is_gone = true;
  }
}

void Connection::add_common_headers(http::fields& fields, const HttpRequest& request) const {
  fields.set(http::field::server, "tercet");
  fields.set("X-Request-Id", request.id);
  fields.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : state_.guard->cors_headers(request)) fields.set(name, value);
}

asio::awaitable<void> Connection::write_response(Exchange& x, HttpResponse& response) {
  const auto out =
      std::make_unique<http::response<http::string_body>>(static_cast<http::status>(response.status), version_);
  add_common_headers(*out, x.request);
  if (!response.content_type.empty()) out->set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) out->set(name, value);
  keeps_alive_ = keeps_alive_ && !response.closes;
  out->keep_alive(keeps_alive_);
  x.status = response.status;
  x.n_byte = static_cast<int64_t>(response.body.size());
  x.closes = response.closes;
  if (is_head_) {
    out->content_length(response.body.size());
  } else {
    out->body() = std::move(response.body);
    if (response.status != 204) out->prepare_payload();
  }
  error_code failed;
  stream_.expires_after(state_.options.write_timeout);
  const auto serializer = std::make_unique<http::response_serializer<http::string_body>>(*out);
  if (is_head_) {
    co_await http::async_write_header(stream_, *serializer, asio::redirect_error(asio::use_awaitable, failed));
  } else {
    co_await http::async_write(stream_, *serializer, asio::redirect_error(asio::use_awaitable, failed));
  }
  x.is_gone = failed.failed();
}

asio::awaitable<bool> Connection::begin_stream(const HttpRequest& request) {
  const auto out = std::make_unique<http::response<http::empty_body>>(http::status::ok, version_);
  add_common_headers(*out, request);
  out->set(http::field::content_type, "text/event-stream; charset=utf-8");
  out->set(http::field::cache_control, "no-store");
  out->set("X-Accel-Buffering", "no");
  out->keep_alive(keeps_alive_ && version_ == 11);
  if (version_ == 11) out->chunked(true);
  const auto serializer = std::make_unique<http::response_serializer<http::empty_body>>(*out);
  error_code failed;
  stream_.expires_after(state_.options.write_timeout);
  co_await http::async_write_header(stream_, *serializer, asio::redirect_error(asio::use_awaitable, failed));
  co_return !failed;
}

asio::awaitable<bool> Connection::write_text(const std::string& text) {
  error_code failed;
  stream_.expires_after(state_.options.write_timeout);
  co_await asio::async_write(stream_, asio::buffer(text), asio::redirect_error(asio::use_awaitable, failed));
  co_return !failed;
}

// Leaves `text` empty. HTTP/1.0 has no chunks: there the end of the connection is the end of the stream.
asio::awaitable<bool> Connection::write_chunk(std::string& text) {
  if (text.empty()) co_return true;
  if (version_ == 11) text = fmt::format("{:x}\r\n{}\r\n", text.size(), text);
  const bool written = co_await write_text(text);
  text.clear();
  co_return written;
}

// Lets what was written arrive: a socket that is closed with bytes unread would take the answer back.
asio::awaitable<void> Connection::close() {
  error_code failed;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, failed);
  const auto dropped = std::make_unique<std::array<char, 4096>>();
  stream_.expires_after(std::chrono::seconds(5));
  size_t n_byte = 0;
  while (!failed && n_byte < 2 * state_.options.max_body_bytes) {
    const auto room = asio::buffer(*dropped);
    const size_t n = co_await stream_.async_read_some(room, asio::redirect_error(asio::use_awaitable, failed));
    n_byte += n;
  }
  stream_.socket().close(failed);
}

}  // namespace

asio::awaitable<void> serve_connection(std::unique_ptr<beast::tcp_stream> stream, ServerState& state) {
  const auto connection = std::make_unique<Connection>(std::move(*stream), state);
  co_await connection->run();
}

}  // namespace tercet::server
