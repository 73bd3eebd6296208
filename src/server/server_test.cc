// The server in one process with the tests, on a backend that computes nothing: sockets, threads, limits and ends.
#include "server/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <functional>
#include <future>
#include <random>
#include <thread>

#include "base/sanitized.h"
#include "engine/fake_backend.h"
#include "tokenizer/test_vocab.h"

namespace tercet::server {
namespace {

constexpr int kParallel = 4;

// A client that says exactly what it is told.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_GE(fd_, 0);
    if (fd_ < 0) return;
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  // At least `n` bytes unless the server closes first.
  std::string read(size_t n) const {
    std::string out;
    char part[4096];
    while (out.size() < n) {
      const ssize_t got = ::recv(fd_, part, sizeof(part), 0);
      if (got <= 0) break;
      out.append(part, static_cast<size_t>(got));
    }
    return out;
  }
  // `n` bytes and none behind them, unless the server closes first.
  std::string read_at_most(size_t n) const {
    std::string out(n, ' ');
    const ssize_t got = ::recv(fd_, out.data(), n, MSG_WAITALL);
    out.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return out;
  }
  std::string read_all() const { return read(SIZE_MAX); }

 private:
  int fd_;
};

std::string post(std::string_view path, std::string_view body, std::string_view more = "Connection: close\r\n") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), more,
                     body);
}
constexpr std::string_view kHealth = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

int status_of(const std::string& answer) { return answer.size() > 12 ? std::stoi(answer.substr(9, 3)) : 0; }
std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

// A server, and behind it, unless it is to stay "loading", an engine.
class ServerTest : public testing::Test {
 protected:
  static ServerOptions quick() {
    ServerOptions options;
    options.port = 0;
    options.log = ServerOptions::Log::kOff;
    return options;
  }

  void start(const ServerOptions& options, bool is_ready = true, int n_queue = 256) {
    tokenizer_ = *tokenizer::Tokenizer::from_spec(vocab_.spec());
    auto started = Server::start(options, metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = *std::move(started);
    if (!is_ready) return;
    model_.name = "fake";
    model_.tokenizer = tokenizer_.get();
    model_.n_ctx = 256;
    model_.n_vocab = tokenizer_->vocab_size();
    model_.n_parallel = kParallel;
    auto parsed = chat::Template::parse("{% for m in messages %}{{ m.content }}{% endfor %}", "test");
    ASSERT_TRUE(parsed);
    model_.chat_template = *std::move(parsed);
    backend_ = std::make_unique<engine::FakeBackend>(
        engine::FakeOptions{.n_vocab = model_.n_vocab, .max_sequence = kParallel, .page_size = 4, .n_page = 100});
    if (prepare_) prepare_(*backend_);
    engine_ = std::make_unique<EngineThread>(
        *backend_, *tokenizer_,
        EngineThreadOptions{
            .engine = {.n_vocab = model_.n_vocab, .n_ctx = model_.n_ctx, .max_active = kParallel, .prefix_cache = true},
            .n_parallel = kParallel,
            .n_queue = n_queue,
            .watchdog = watchdog_,
            .on_stuck = [this](const Error& error) { stuck_.set_value(error.message); }},
        metrics_, [this](const Error& error) { server_->fail(error); });
    server_->set_ready({&model_, engine_.get()});
  }

  void TearDown() override {
    if (server_ == nullptr) return;
    server_->drain();
    (void)server_->join();
    engine_.reset();
    server_.reset();
    if (backend_ != nullptr) {
      EXPECT_TRUE(backend_->violations.empty());
    }
  }

  std::string ask(std::string_view text) {
    Client client(server_->port());
    client.send(text);
    return client.read_all();
  }

  std::function<void(engine::FakeBackend&)> prepare_;  // before the engine's thread has it
  std::chrono::milliseconds watchdog_{0};
  std::promise<std::string> stuck_;
  tokenizer::TestVocab vocab_;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer_;
  Metrics metrics_{"fake"};
  ServedModel model_;
  std::unique_ptr<engine::FakeBackend> backend_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<EngineThread> engine_;
};

TEST_F(ServerTest, WhileItLoads) {
  start(quick(), false);
  EXPECT_EQ(status_of(ask(kHealth)), 503);
  EXPECT_NE(ask(kHealth).find("loading"), std::string::npos);
  const std::string answer = ask(post("/v1/completions", R"({"prompt":"a"})"));
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_NE(answer.find("Retry-After"), std::string::npos);
}

TEST_F(ServerTest, WhoIsSlowIsSentAway) {
  ServerOptions options = quick();
  options.header_timeout = options.body_timeout = std::chrono::milliseconds(50);
  options.idle_timeout = std::chrono::milliseconds(50);
  start(options, false);
  Client idle(server_->port());
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\nHost: loc"), "");
  EXPECT_EQ(ask("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"), "");
}

// Larger than any socket's buffer, read by nobody: the write's time ends, and the connection with it.
TEST_F(ServerTest, WhoDoesNotReadIsLetGo) {
  ServerOptions options = quick();
  options.write_timeout = std::chrono::milliseconds(100);
  start(options);
  const Client client(server_->port());
  const std::string text(4 << 20, 'b');  // the answer is four times that, more than two sockets hold
  client.send(post("/tokenize", fmt::format(R"({{"content":"{}"}})", text)));
  while (metrics_.text().find("tercet_connections{model_name=\"fake\"} 0") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(status_of(ask(kHealth)), 200);
}

TEST_F(ServerTest, LimitsOfSize) {
  ServerOptions options = quick();
  options.max_header_bytes = 1000;
  options.max_body_bytes = 1000;
  start(options);
  EXPECT_EQ(status_of(ask("GET /health HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n")), 431);
  EXPECT_EQ(status_of(ask(post("/tokenize", std::string(2000, ' ')))), 413);
  EXPECT_EQ(status_of(ask("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
                          std::string(2000, ' ') + "\r\n0\r\n\r\n")),
            413);
  EXPECT_EQ(status_of(ask(post("/tokenize", R"({"content":"abc"})"))), 200);
}

TEST_F(ServerTest, ABodyThatIsAwaitedIsAskedFor) {
  start(quick());
  Client client(server_->port());
  client.send(
      "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\nExpect: 100-continue\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(client.read(25), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send(R"({"content":"a"})");
  EXPECT_EQ(status_of(client.read_all()), 200);
}

std::string completion(int i, bool streams) {
  return post(
      "/v1/completions",
      fmt::format(R"({{"prompt":"abc{}","max_tokens":{},"seed":{},"temperature":1,"ignore_eos":true,"stream":{}}})",
                  i * 31, 5 + i % 20, i, streams));
}

// Without what differs from one answer to the next of the same request.
std::string text_of(const std::string& answer, bool streams) {
  std::string text;
  if (!streams) return std::string(boost::json::parse(body_of(answer)).at("choices").at(0).at("text").as_string());
  for (size_t at = answer.find("data: {"); at != std::string::npos; at = answer.find("data: {", at + 1)) {
    const auto chunk = boost::json::parse(answer.substr(at + 6, answer.find("\n\n", at) - at - 6));
    text += chunk.at("choices").at(0).at("text").as_string();
  }
  return text;
}

TEST_F(ServerTest, ManyClientsAreAnsweredAsAlone) {
  constexpr int kThreads = 8, kEach = 6;
  start(quick());
  std::vector<std::string> alone(kThreads * kEach);
  for (int i = 0; i < kThreads * kEach; ++i) alone[static_cast<size_t>(i)] = text_of(ask(completion(i, false)), false);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
        const bool streams = i % 2 == 0;
        const std::string answer = ask(completion(i, streams));
        EXPECT_EQ(status_of(answer), 200) << answer;
        EXPECT_EQ(text_of(answer, streams), alone[static_cast<size_t>(i)]) << i;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(engine_->n_live(), 0);
}

TEST_F(ServerTest, ClientsThatGoAtAnyByteEndTheirRequests) {
  start(quick());
  for (const bool streams : {true, false})
    for (size_t n = 0; n < 3000; n += 97) {
      const Client client(server_->port());
      client.send(
          post("/v1/completions",
               fmt::format(R"({{"prompt":"abc","max_tokens":200,"n":2,"stream":{},"ignore_eos":true}})", streams)));
      (void)client.read_at_most(n);
    }
  while (engine_->n_live() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(status_of(ask(kHealth)), 200);
}

// What a model says when it is asked with this seed: a call with bytes changed, lost and doubled.
std::string mutated_call(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text =
      seed % 2 == 0 ? "<tool_call>\n<function=f>\n<parameter=a>\nx \"y\" < z\n</parameter>\n</function>\n</tool_call>"
                    : "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\\\"y\"}}\n</tool_call>";
  for (size_t n = random() % 4; n > 0; --n) {
    const size_t at = random() % text.size();
    switch (random() % 3) {
      case 0: text[at] = static_cast<char>(random() % 256); break;
      case 1: text.erase(at, 1 + random() % 5); break;
      default: text.insert(at, text.substr(at, 1 + random() % 9));
    }
  }
  return text;
}

TEST_F(ServerTest, MutatedCallsAreNeverAnError) {
  constexpr engine::TokenId kEnd = 266;  // <|im_end|>: behind the bytes and the merges
  prepare_ = [](engine::FakeBackend& backend) {
    backend.rule = [](std::span<const engine::TokenId>, const backend::Output& output, engine::TokenId) {
      const std::string text = mutated_call(output.sampling.seed);
      return output.random_counter < text.size()
                 ? static_cast<engine::TokenId>(static_cast<unsigned char>(text[output.random_counter]))
                 : kEnd;
    };
  };
  start(quick());
  ASSERT_EQ(tokenizer_->find("<|im_end|>"), kEnd);
  constexpr int kCalls = kSanitized ? 250 : 1000;
  int n_call = 0;
  for (int seed = 0; seed < kCalls; ++seed) {
    const bool streams = seed % 4 >= 2;
    const std::string answer =
        ask(post("/v1/chat/completions",
                 fmt::format(R"({{"messages":[{{"role":"user","content":"a"}}],"temperature":1,"seed":{},"stream":{},
          "tools":[{{"type":"function","function":{{"name":"f","parameters":{{"properties":{{"a":{{"type":"string"}}}}}}}}}}]}})",
                             seed, streams)));
    ASSERT_EQ(status_of(answer), 200) << seed << answer;
    if (streams) {
      ASSERT_NE(answer.find("data: [DONE]"), std::string::npos) << seed;
      continue;
    }
    const auto choice = boost::json::parse(body_of(answer)).at("choices").at(0);
    const boost::json::value* calls = choice.at("message").as_object().if_contains("tool_calls");
    ASSERT_EQ(choice.at("finish_reason").as_string(), calls == nullptr ? "stop" : "tool_calls") << seed;
    if (calls == nullptr) continue;
    for (const auto& call : calls->as_array()) {
      ++n_call;
      ASSERT_TRUE(boost::json::parse(call.at("function").at("arguments").as_string()).is_object()) << seed;
    }
  }
  EXPECT_GT(n_call, kCalls / 10);
}

TEST_F(ServerTest, AFullQueueRefusesAllOfARequest) {
  start(quick(), true, 0);
  const std::string answer = ask(post("/v1/completions", R"({"prompt":"abc","n":5})"));
  EXPECT_EQ(status_of(answer), 429);
  EXPECT_NE(answer.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(engine_->n_live(), 0);
  EXPECT_EQ(status_of(ask(post("/v1/completions", R"({"prompt":"abc","n":4})"))), 200);
  EXPECT_EQ(status_of(ask(post("/v1/messages", R"({"messages":[{"role":"user","content":"a"}],"max_tokens":3})"))),
            200);
}

TEST_F(ServerTest, ABackendThatFailsEndsTheServer) {
  prepare_ = [](engine::FakeBackend& backend) { backend.fail_wait = 3; };
  start(quick());
  const std::string whole = ask(post("/v1/completions", R"({"prompt":"abc","max_tokens":50,"ignore_eos":true})"));
  EXPECT_EQ(status_of(whole), 500) << whole;
  const Status ended = server_->join();
  ASSERT_FALSE(ended);
}

void sleep_in_steps(engine::FakeBackend& backend) {
  backend.on_wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
}

// Its prompt alone takes three steps, which are longer than it may take.
TEST_F(ServerTest, ARequestWhoseTimeIsOverBeforeItsFirstTokenIsAnError) {
  prepare_ = sleep_in_steps;
  start(quick());
  const std::string prompt(48, 'x');
  const std::string completion =
      ask(post("/v1/completions", fmt::format(R"({{"prompt":"{}","timeout":0.001}})", prompt)));
  EXPECT_EQ(status_of(completion), 504) << completion;
  EXPECT_EQ(boost::json::parse(body_of(completion)).at("error").at("code").as_string(), "timeout");
  const std::string stream =
      ask(post("/v1/completions", fmt::format(R"({{"prompt":"z{}","timeout":0.001,"stream":true}})", prompt)));
  EXPECT_EQ(status_of(stream), 200);
  EXPECT_NE(stream.find(R"(data: {"error":{"message":"time: )"), std::string::npos) << stream;
  model_.time_limit_s = 0.001;
  const std::string message = ask(post(
      "/v1/messages", fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}],"max_tokens":9,"timeout":100}})",
                                  std::string(48, 'y'))));  // nothing of it is cached
  EXPECT_EQ(status_of(message), 504) << message;
  EXPECT_EQ(boost::json::parse(body_of(message)).at("error").at("type").as_string(), "timeout_error");
  EXPECT_NE(metrics_.text().find(R"(reason="timeout")"), std::string::npos);
  EXPECT_EQ(engine_->n_live(), 0);
}

// An answer of 200 tokens takes 400 ms and more. Where the machine stops for long in the wrong moment a request may have
// no token when its time is over; then the next has twice the time.
TEST_F(ServerTest, ARequestWhoseTimeIsOverEndsWithWhatThereIs) {
  prepare_ = sleep_in_steps;
  start(quick());
  int64_t n_token = 0;
  for (int ms = 20; ms < 400 && n_token == 0; ms *= 2) {
    const std::string answer =
        ask(post("/v1/completions",
                 fmt::format(R"({{"prompt":"abc","max_tokens":200,"ignore_eos":true,"timeout":{}}})", ms / 1000.0)));
    if (status_of(answer) == 504) continue;
    const auto body = boost::json::parse(body_of(answer));
    n_token = body.at("usage").at("completion_tokens").as_int64();
    EXPECT_EQ(body.at("choices").at(0).at("finish_reason").as_string(), "length");
    EXPECT_LT(n_token, 200);
  }
  EXPECT_GT(n_token, 0);
}

TEST_F(ServerTest, AStepThatHangsIsSeen) {
  watchdog_ = std::chrono::milliseconds(100);
  std::promise<void> release;
  prepare_ = [released = release.get_future().share()](engine::FakeBackend& backend) {
    backend.on_wait = [released] { released.wait(); };
  };
  start(quick());
  EXPECT_EQ(status_of(ask(kHealth)), 200);
  const Client client(server_->port());
  client.send(post("/v1/completions", R"({"prompt":"abc","max_tokens":5})"));
  while (status_of(ask(kHealth)) == 200) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_NE(ask(kHealth).find(R"("status":"stuck","requests_running":1)"), std::string::npos);
  const std::string why = stuck_.get_future().get();
  EXPECT_NE(why.find("backend fake: step "), std::string::npos) << why;
  EXPECT_NE(why.find("with 1 requests running and 0 waiting"), std::string::npos) << why;
  release.set_value();
  EXPECT_EQ(status_of(client.read_all()), 200);
  while (status_of(ask(kHealth)) != 200) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST_F(ServerTest, AnEndBeforeItIsReadyIsToldAtOnce) {
  std::promise<void> told;
  ServerOptions options = quick();
  options.on_end_unready = [&] { told.set_value(); };
  start(options, false);
  server_->drain();
  told.get_future().get();
  EXPECT_TRUE(server_->join());
}

TEST_F(ServerTest, ItDrainsAndEndsWithWhatWasBegun) {
  start(quick());
  const Client client(server_->port());
  client.send(completion(19, true));
  const std::string first = client.read(1);
  server_->drain();
  const std::string rest = client.read_all();
  EXPECT_NE((first + rest).find("data: [DONE]"), std::string::npos);
  EXPECT_TRUE(server_->join());
}

TEST_F(ServerTest, AStreamsFirstBytesDoNotWaitForTokens) {
  ServerOptions options = quick();
  options.keep_alive = std::chrono::milliseconds(20);
  prepare_ = [](engine::FakeBackend& backend) {
    backend.rule = [](std::span<const engine::TokenId>, const backend::Output&, engine::TokenId) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      return engine::TokenId{'a'};
    };
  };
  start(options);
  // The engine's slots are taken for longer than the reader waits, so that only comments come.
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < kParallel; ++i) {
    others.push_back(std::make_unique<Client>(server_->port()));
    others.back()->send(
        post("/v1/completions", R"({"prompt":"abc","max_tokens":240,"stream":true,"ignore_eos":true})"));
    EXPECT_NE(others.back()->read(1), "");
  }
  const Client client(server_->port());
  client.send(post("/v1/completions", R"({"prompt":"abc","max_tokens":1,"stream":true})"));
  std::string seen;
  while (seen.find(": still at work") == std::string::npos) {
    const std::string part = client.read(1);
    ASSERT_NE(part, "") << seen;
    seen += part;
  }
  EXPECT_TRUE(seen.starts_with("HTTP/1.1 200"));
}

// A prompt that takes long gives events, and nothing that is written: the time counts from the last byte.
TEST_F(ServerTest, BytesComeWhileAPromptIsComputed) {
  ServerOptions options = quick();
  options.keep_alive = std::chrono::milliseconds(20);
  prepare_ = [](engine::FakeBackend& backend) {
    backend.on_wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(10)); };
  };
  start(options);
  const std::string prompt(200, 'x');  // a token each, 16 a step
  const std::string answer = ask(post(
      "/v1/completions", fmt::format(R"({{"prompt":"{}","max_tokens":1,"ignore_eos":true,"stream":true}})", prompt)));
  const size_t said = answer.find(": still at work");
  EXPECT_LT(said, answer.find("data: ")) << answer;
  const std::string message = ask(post(
      "/v1/messages",
      fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}],"max_tokens":1,"stream":true}})", "y" + prompt)));
  const size_t first = message.find("event: ping");
  EXPECT_NE(message.find("event: ping", first + 1), std::string::npos) << message;
}

TEST_F(ServerTest, ATemplateThatRaisesIsTheRequestsError) {
  start(quick());
  auto parsed = chat::Template::parse("{{ raise_exception('not this one') }}", "test");
  ASSERT_TRUE(parsed);
  model_.chat_template = *std::move(parsed);
  for (const std::string_view path : {"/v1/chat/completions", "/v1/messages"}) {
    const std::string answer =
        ask(post(path, R"({"messages":[{"role":"user","content":"a"}],"max_tokens":1,"stream":true})"));
    EXPECT_EQ(status_of(answer), 400) << answer;
    EXPECT_NE(answer.find("not this one"), std::string::npos) << answer;
  }
  EXPECT_EQ(status_of(ask(kHealth)), 200);
}

TEST_F(ServerTest, BindsBeyondLoopbackOnlyWithAKey) {
  ServerOptions options = quick();
  options.host = "0.0.0.0";
  const auto refused = Server::start(options, metrics_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  options.guard.keys = {{"ann", "key"}};
  start(options);
  EXPECT_EQ(status_of(ask("GET /v1/models HTTP/1.0\r\n\r\n")), 401);
  EXPECT_EQ(status_of(ask("GET /v1/models HTTP/1.0\r\nX-Api-Key: key\r\n\r\n")), 200);
}

}  // namespace
}  // namespace tercet::server
