// Files damaged at random and cut off everywhere: the reader either refuses them or hands out what can be read, in
// bounded memory. The fuzz target (gguf_fuzz.cc) goes further on the same ground.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/sanitized.h"
#include "base/text.h"
#include "gguf/test_files.h"
#include "gguf/touch.h"
#include "gguf/writer.h"

namespace tercet::gguf {
namespace {

const std::string kDemoPath = TERCET_SOURCE_DIR "/models/demo-moe-coder-34m-q4_k_m.gguf";

std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A small file with a bit of everything.
std::vector<std::byte> rich_file() {
  static const std::vector<std::byte> data(2 * 144, std::byte{7});
  Writer writer;
  writer.add("general.architecture", "qwen3moe");
  writer.set_alignment(64);
  writer.add("u8", uint8_t{1});
  writer.add("i16", int16_t{-1});
  writer.add("f32", 1e-6f);
  writer.add("f64", 1e6);
  writer.add("flag", true);
  writer.add("u64", uint64_t{1} << 60);
  writer.add_array("tokens", std::vector<std::string>{"a", "", "<|im_end|>", "Grüße"});
  writer.add_array("types", std::vector<int32_t>{1, 1, 3, 1});
  writer.add_array("scores", std::vector<float>{0.5f, -1.0f});
  writer.add_array("flags", std::vector<bool>{true, false, true});
  writer.add_array("empty", std::vector<uint16_t>{});
  writer.add_tensor("token_embd.weight", 12, {256, 2}, data);
  writer.add_tensor("output_norm.weight", 0, {5}, std::span(data).first(20));
  writer.add_tensor("blk.0.ffn_gate_exps.weight", 8, {32, 2, 2, 2}, std::span(data).first(34 * 8));
  return writer.to_bytes().value();
}

// Opens, walks over what there is, and checks the message of what there is not. True if it opened.
bool survives(std::span<const std::byte> bytes) {
  const auto file = File::from_memory(bytes, "m.gguf");
  if (file.has_value()) {
    touch(**file);
    return true;
  }
  const std::string& message = file.error().message;
  EXPECT_TRUE(message.starts_with("m.gguf: ") && message.size() < 1000 && is_utf8(message)) << printable(message, 2000);
  return false;
}

// One random change, of a kind that parsers trip over. Only the first `n_header` bytes are changed in place;
// `may_resize` allows to cut out and repeat pieces.
void mutate(std::vector<std::byte>& bytes, size_t n_header, bool may_resize, std::mt19937_64& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const auto put = [&](auto value) {
    const size_t at = below(n_header - sizeof value);
    std::copy_n(std::as_bytes(std::span(&value, 1)).begin(), sizeof value, bytes.begin() + static_cast<ptrdiff_t>(at));
  };
  constexpr uint64_t kOdd[] = {0,
                               1,
                               2,
                               8,
                               9,
                               12,
                               31,
                               127,
                               255,
                               65'536,
                               (1ull << 31) - 1,
                               1ull << 32,
                               1ull << 60,
                               (1ull << 63) - 1,
                               1ull << 63,
                               UINT64_MAX - 31,
                               UINT64_MAX};
  const uint64_t odd = kOdd[below(std::size(kOdd))];
  const auto piece = [&] {
    const size_t begin = below(n_header);
    const size_t end = std::min(n_header, begin + 1 + below(64));
    return std::pair(bytes.begin() + static_cast<ptrdiff_t>(begin), bytes.begin() + static_cast<ptrdiff_t>(end));
  };
  switch (below(may_resize ? 7 : 5)) {
    case 0: bytes[below(n_header)] ^= static_cast<std::byte>(1u << below(8)); break;
    case 1: bytes[below(n_header)] = static_cast<std::byte>(below(256)); break;
    case 2: put(static_cast<uint32_t>(odd)); break;
    case 3: put(odd); break;
    case 4: {
      const auto [begin, end] = piece();
      std::copy(begin, end, bytes.begin() + static_cast<ptrdiff_t>(below(n_header - 64)));
      break;
    }
    case 5: {
      const auto [begin, end] = piece();
      bytes.erase(begin, end);
      break;
    }
    default: {
      const auto [begin, end] = piece();
      const std::vector<std::byte> again(begin, end);
      bytes.insert(end, again.begin(), again.end());
      break;
    }
  }
}

TEST(Truncation, EveryLengthOfASmallFileIsRefusedAndOnlyTheWholeIsRead) {
  const auto bytes = rich_file();
  const auto file = File::from_memory(bytes, "m.gguf").value();
  const TensorInfo& last = file->tensors().back();
  for (size_t n_byte = 0; n_byte <= bytes.size(); ++n_byte) {
    // A copy of its own, so that a sanitizer sees a read behind the end.
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n_byte));
    EXPECT_EQ(survives(cut), n_byte >= last.offset + last.n_byte) << n_byte;
  }
}

TEST(Truncation, EverySixtyFourthOfAFile) {
  const auto bytes = rich_file();
  const TensorInfo last = File::from_memory(bytes, "m.gguf").value()->tensors().back();
  const std::string path = temp_path("truncated.gguf");
  for (size_t i = 0; i < 64; ++i) {
    const size_t n_byte = (last.offset + last.n_byte) * i / 64;  // without the padding, which nobody would miss
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(n_byte));
    const auto file = File::open(path);
    ASSERT_FALSE(file.has_value()) << i;
    EXPECT_EQ(file.error().code, Code::kCorrupt) << file.error().message;
    EXPECT_TRUE(file.error().message.starts_with(path + ": ")) << file.error().message;
  }
  std::filesystem::remove(path);
}

TEST(Truncation, EverySixtyFourthOfTheDemoModel) {
  if (!std::filesystem::exists(kDemoPath)) GTEST_SKIP() << kDemoPath << " is not there";
  const auto bytes = read_bytes(kDemoPath);
  for (size_t i = 0; i < 64; ++i) EXPECT_FALSE(survives(std::span(bytes).first(bytes.size() * i / 64))) << i;
  EXPECT_TRUE(survives(bytes));
}

TEST(Mutation, ASmallFileInTwoThousandWays) {
  const auto bytes = rich_file();
  const auto n_header = static_cast<size_t>(File::from_memory(bytes, "m.gguf").value()->data_offset());
  int n_read = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto damaged = bytes;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) mutate(damaged, std::min(n_header, damaged.size()), true, random);
    n_read += survives(damaged);
    if (HasFailure()) return;
  }
  // Both ways are taken: damage inside of values goes unseen, damage to the structure does not.
  EXPECT_GT(n_read, 100);
  EXPECT_LT(n_read, 1900);
}

TEST(Mutation, TheDemoModelInTwoThousandWays) {
  if (!std::filesystem::exists(kDemoPath)) GTEST_SKIP() << kDemoPath << " is not there";
  auto bytes = read_bytes(kDemoPath);
  const auto n_header = static_cast<size_t>(File::from_memory(bytes, "m.gguf").value()->data_offset());
  const std::vector<std::byte> header(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n_header));
  for (uint64_t seed = 0; seed < (kSanitized ? 200 : 2000); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    for (uint64_t n = 1 + random() % 3; n > 0; --n) mutate(bytes, n_header, false, random);
    survives(bytes);
    std::copy(header.begin(), header.end(), bytes.begin());
    if (HasFailure()) return;
  }
}

// A field of /proc/self/status that is in kB, in bytes.
size_t status_bytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  std::string word;
  size_t kib = 0;
  while (status >> word)
    if (word == field) status >> kib;
  return kib << 10;
}

// The most expensive header that the limits allow: as many tensors as there may be, and the rest of empty strings, of
// which each costs four bytes of index for eight in the file.
RawFile dearest_file() {
  constexpr uint64_t kStrings = 1'000'000;
  constexpr uint64_t n_array = 4;
  RawFile file(kMaxTensors, kMaxKeys);
  for (uint64_t i = 0; i < n_array; ++i) {
    file.array(fmt::format("array{}", i), ValueType::kString, kStrings);
    file.zeros(kStrings * sizeof(uint64_t));
  }
  for (uint64_t i = n_array; i < kMaxKeys; ++i) file.key(std::to_string(i), ValueType::kUint8).number(uint8_t{0});
  for (uint64_t i = 0; i < kMaxTensors; ++i) file.tensor(std::to_string(i), {1}, 0, i * 32);
  return file.zeros(32 + 32 * kMaxTensors);
}

TEST(Memory, TheDearestHeaderStaysUnderTwoHundredMegabytes) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory would be measured";
  const std::string path = temp_path("dearest.gguf");
  {
    const RawFile raw = dearest_file();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(raw.data().data()), static_cast<long>(raw.data().size()));
  }
  ::malloc_trim(0);
  if (!(std::ofstream("/proc/self/clear_refs") << 5).flush()) GTEST_SKIP() << "the kernel does not reset peaks";
  const size_t before = status_bytes("VmRSS:");
  const auto file = File::open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_EQ((*file)->get_string_array("array0").value().size(), 1'000'000u);
  EXPECT_LT(status_bytes("VmHWM:") - before, 200'000'000u);
  EXPECT_GT(status_bytes("VmHWM:") - before, 50'000'000u);  // or nothing was measured
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tercet::gguf
