// Owns the life of the server: it listens at once, answers when a model is there, and drains when it is asked to end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/engine_thread.h"
#include "server/guard.h"
#include "server/metrics.h"
#include "server/served_model.h"

namespace tercet::server {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any that is free
  int n_thread = 2;
  int n_connection = 1024;
  bool is_open = false;  // beyond loopback without a key
  GuardOptions guard;

  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = 32 << 20;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds write_timeout{60'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds keep_alive{5'000};  // of a stream in which nothing is written
  std::chrono::milliseconds drain_timeout{60'000};

  // What happens when the end is asked for before set_ready(): loading cannot be hurried. From a thread of the server's.
  std::function<void()> on_end_unready = {};

  enum class Log { kOff, kText, kJson };
  Log log = Log::kText;
};

// What answers the requests, once it is there.
struct Serving {
  const ServedModel* model;
  EngineThread* engine;
};

struct ServerState;

class Server {
 public:
  // Listens, and answers /health with "loading". Errors: kInvalidArgument (a host that is no address, or one beyond
  // loopback without a key), kIo (the port), those of Guard::make.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Metrics& metrics);
  // Ends at once whatever is still under way.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  // Both must outlive the server's threads: until join() has returned.
  void set_ready(const Serving& serving);
  // The backend has failed: everything is refused from now on, and the server ends with this error.
  void fail(const Error& error);
  // Finishes what was begun and refuses what comes; a second time: ends at once. From any thread.
  void drain();
  // Until the server has ended. Errors: fail()'s.
  Status join();
  bool is_ending() const;

 private:
  explicit Server(std::unique_ptr<ServerState> state);
  std::unique_ptr<ServerState> state_;
};

}  // namespace tercet::server
