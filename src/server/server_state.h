// Owns what the listener, the connections and the signals of one server share.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/access_log.h"
#include "server/server.h"

namespace tercet::server {

struct ServerState {
  ServerState(const ServerOptions& its_options, Metrics& its_metrics)
      : options(its_options),
        metrics(its_metrics),
        access_log(its_options.log),
        acceptor(io),
        signals(io),
        drain_timer(io) {}

  enum class Phase { kLoading, kReady, kDraining, kEnded };

  const ServerOptions options;
  Metrics& metrics;
  AccessLog access_log;
  std::unique_ptr<Guard> guard;

  std::atomic<Phase> phase = Phase::kLoading;
  std::atomic<int64_t> n_connection = 0;
  std::atomic<int64_t> n_busy = 0;  // requests between their first byte and their answer's last
  std::atomic<bool> is_ready = false;
  Serving serving = {};  // once is_ready
  std::mutex mutex;
  std::optional<Error> failure;

  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::signal_set signals;
  boost::asio::steady_timer drain_timer;
  std::chrono::steady_clock::time_point drain_end;
  std::vector<std::thread> threads;
};

// Reads requests and answers them until one side has had enough.
boost::asio::awaitable<void> serve_connection(std::unique_ptr<boost::beast::tcp_stream> stream, ServerState& state);

}  // namespace tercet::server
