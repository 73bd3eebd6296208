#include "server/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "base/log.h"
#include "base/text.h"
#include "server/server_state.h"

namespace tercet::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Phase = ServerState::Phase;

constexpr std::chrono::milliseconds kDrainPoll{20};

Result<asio::ip::address> address_of(const std::string& host) {
  error_code failed;
  asio::ip::address address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, failed);
  if (failed)
    return error(Code::kInvalidArgument, "--host: {}, want an address such as 127.0.0.1, ::1 or 0.0.0.0",
                 printable(host));
  return address;
}

Status listen(ServerState& state) {
  ASSIGN_OR_RETURN(const asio::ip::address address, address_of(state.options.host));
  if (!address.is_loopback() && !state.guard->has_keys() && !state.options.is_open)
    return with_hint(
        error(Code::kInvalidArgument, "--host: {} can be reached by others, want API keys with it", state.options.host),
        "--api-key-file FILE, or --allow-open to let everybody in");
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(state.options.port));
  error_code failed;
  state.acceptor.open(endpoint.protocol(), failed);
  if (!failed) state.acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) state.acceptor.bind(endpoint, failed);
  if (!failed) state.acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed)
    return error(Code::kIo, "{}:{}: {}, want a port that is free (--port 0 takes any)", state.options.host,
                 state.options.port, failed.message());
  return {};
}

// A connection is a descriptor, and many systems begin with 1,024 of them.
void raise_descriptor_limit(int n_connection) {
  constexpr rlim_t kOthers = 64;  // files, devices
  rlimit limit = {};
  const auto wanted = static_cast<rlim_t>(n_connection) + kOthers;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    spdlog::warn("--max-connections: {}, but the system allows {} open files (ulimit -n)", n_connection,
                 limit.rlim_cur);
}

void end_connection(ServerState& state) { state.metrics.note_connections(--state.n_connection); }

asio::awaitable<void> accept_all(ServerState& state) {
  for (;;) {
    error_code failed;
    tcp::socket socket(asio::make_strand(state.io));
    co_await state.acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::operation_aborted || !state.acceptor.is_open()) co_return;
    if (failed) {
      // No descriptors are left, or the like: others will end.
      asio::steady_timer pause(state.io, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
      continue;
    }
    if (state.n_connection >= state.options.n_connection) {
      state.metrics.note_refused("connections");
      socket.close(failed);
      continue;
    }
    state.metrics.note_connections(++state.n_connection);
    socket.set_option(tcp::no_delay(true), failed);
    const auto executor = socket.get_executor();
    auto stream = std::make_unique<boost::beast::tcp_stream>(std::move(socket));
    asio::co_spawn(executor, serve_connection(std::move(stream), state), [&state](const std::exception_ptr& thrown) {
      end_connection(state);
      if (!thrown) return;
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        spdlog::error("a connection ended: {}", e.what());
      }
    });
  }
}

// Ends the threads once nothing is under way, or when that takes too long.
void poll_drained(ServerState& state) {
  const bool is_late = std::chrono::steady_clock::now() >= state.drain_end;
  if (is_late) spdlog::warn("draining: {} requests are not finished, ending them", state.n_busy.load());
  if (state.n_busy == 0 || is_late || state.phase == Phase::kEnded) {
    state.phase = Phase::kEnded;
    state.io.stop();
    return;
  }
  state.drain_timer.expires_after(kDrainPoll);
  state.drain_timer.async_wait([&state](const error_code& failed) {
    if (!failed) poll_drained(state);
  });
}

void begin_drain(ServerState& state) {
  asio::post(state.io, [&state] {
    const Phase before = state.phase.exchange(Phase::kDraining);
    if (before == Phase::kDraining || before == Phase::kEnded) {
      state.phase = Phase::kEnded;
      state.io.stop();
      return;
    }
    if (before == Phase::kLoading && state.options.on_end_unready) state.options.on_end_unready();
    state.drain_end = std::chrono::steady_clock::now() + state.options.drain_timeout;
    poll_drained(state);
  });
}

void wait_for_signal(ServerState& state) {
  state.signals.async_wait([&state](const error_code& failed, int signal) {
    if (failed) return;
    if (signal != SIGHUP) {
      begin_drain(state);
    } else if (const Status reloaded = state.guard->reload(); !reloaded) {
      spdlog::error("the keys stay as they were: {}", reloaded.error().message);
    }
    wait_for_signal(state);
  });
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Metrics& metrics) {
  auto state = std::make_unique<ServerState>(options, metrics);
  ASSIGN_OR_RETURN(state->guard, Guard::make(options.guard));
  RETURN_IF_ERROR(listen(*state));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    error_code failed;
    state->signals.add(signal, failed);
    if (failed) return error(Code::kIo, "signal {}: {}, want it caught", signal, failed.message());
  }
  raise_descriptor_limit(options.n_connection);
  wait_for_signal(*state);
  asio::co_spawn(state->io, accept_all(*state), asio::detached);
  for (int i = 0; i < options.n_thread; ++i) state->threads.emplace_back([s = state.get()] { s->io.run(); });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<ServerState> state) : state_(std::move(state)) {}

Server::~Server() {
  state_->io.stop();
  (void)join();
}

int Server::port() const { return state_->acceptor.local_endpoint().port(); }

void Server::set_ready(const Serving& serving) {
  state_->serving = serving;
  state_->is_ready = true;
  Phase loading = Phase::kLoading;
  state_->phase.compare_exchange_strong(loading, Phase::kReady);
}

void Server::fail(const Error& error) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->failure = error;
  }
  begin_drain(*state_);
}

void Server::drain() { begin_drain(*state_); }

bool Server::is_ending() const { return state_->phase == Phase::kDraining || state_->phase == Phase::kEnded; }

Status Server::join() {
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
  const std::lock_guard lock(state_->mutex);
  if (state_->failure) return tl::make_unexpected(*state_->failure);
  return {};
}

}  // namespace tercet::server
