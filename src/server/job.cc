#include "server/job.h"

#include <array>
#include <random>

namespace tercet::server {

std::string sse(std::string_view data, std::string_view event) {
  std::string out;
  if (!event.empty()) out = fmt::format("event: {}\n", event);
  return out += fmt::format("data: {}\n\n", data);
}

std::string new_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  std::uniform_int_distribution<size_t> pick(0, kLetters.size() - 1);
  std::string out(prefix);
  for (int i = 0; i < 24; ++i) out += kLetters[pick(random)];
  return out;
}

}  // namespace tercet::server
