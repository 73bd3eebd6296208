// The demo model, broken in seeded ways, through everything that reads it before the first token.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "gguf/gguf.h"
#include "model/weights.h"
#include "support/demo.h"
#include "tokenizer/tokenizer.h"

namespace tercet::tests {
namespace {

std::vector<std::byte> demo_bytes() {
  std::ifstream file(source_path("models/demo-moe-coder-34m-q4_k_m.gguf"), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// True if all of it was accepted.
bool read_everything(std::span<const std::byte> bytes) {
  auto file = gguf::File::from_memory(bytes, "mutated.gguf");
  if (!file) {
    EXPECT_FALSE(file.error().message.empty());
    return false;
  }
  const std::shared_ptr<const gguf::File> shared = *std::move(file);
  const auto model = model::load_model(shared);
  const auto tokenizer = tokenizer::Tokenizer::from_gguf(*shared);
  if (!model) {
    EXPECT_FALSE(model.error().message.empty());
  }
  if (!tokenizer) {
    EXPECT_FALSE(tokenizer.error().message.empty());
  }
  return model && tokenizer;
}

TEST(HostileModel, EveryTruncationIsAnError) {
  const auto bytes = demo_bytes();
  for (size_t i = 0; i < 64; ++i) EXPECT_FALSE(read_everything(std::span(bytes).first(bytes.size() * i / 64))) << i;
  EXPECT_TRUE(read_everything(bytes));
}

TEST(HostileModel, TwoThousandMutationsOfTheHeader) {
  std::vector<std::byte> bytes = demo_bytes();
  const size_t header = static_cast<size_t>((*gguf::File::from_memory(bytes, "demo.gguf"))->data_offset());
  const unsigned seed = 31337;
  std::mt19937_64 random(seed);
  struct rusage before = {};
  getrusage(RUSAGE_SELF, &before);
  int n_accepted = 0;
  const int n_round = kSanitized ? 200 : 2000;
  for (int round = 0; round < n_round; ++round) {
    // Half of them near the start, where the counts and the keys of the architecture are.
    const size_t range = round % 2 == 0 ? std::min<size_t>(header, 2500) : header;
    const size_t at = random() % range;
    const size_t n = std::min<size_t>(1 + random() % 8, header - at);
    std::byte saved[8];
    std::memcpy(saved, &bytes[at], n);
    const uint64_t noise = random() % 3 == 0 ? ~uint64_t{0} : random();
    std::memcpy(&bytes[at], &noise, n);
    const auto start = std::chrono::steady_clock::now();
    n_accepted += read_everything(bytes) ? 1 : 0;
    // A hang is what is meant: the bound is wide for a machine that does other things.
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(kSanitized ? 60 : 20))
        << "seed " << seed << " round " << round;
    std::memcpy(&bytes[at], saved, n);
  }
  struct rusage after = {};
  getrusage(RUSAGE_SELF, &after);
  if (!kSanitized) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 200 * 1024) << "KiB more at the peak, seed " << seed;
  }
  EXPECT_GT(n_accepted, 0);        // a changed letter of a token's text is no error
  EXPECT_LT(n_accepted, n_round);  // a changed count is
}

}  // namespace
}  // namespace tercet::tests
