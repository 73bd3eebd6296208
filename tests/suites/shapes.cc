#include "suites/shapes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "base/cpu_info.h"
#include "support/crowd.h"
#include "support/stage_local.h"

namespace tercet::tests {

using backend::Precision;
using quant::Type;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Shapes);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Lengths);

namespace {

constexpr Precision kAll[] = {Precision::kExact, Precision::kHigh, Precision::kFast};
constexpr uint32_t kSeed = 20260601;

Formats all_of(Type type) { return {type, type, type, type, type, type, type, type, type, type}; }

// What a failure needs to be seen again, and what each precision came to.
std::string describe(const SmallModel& m, Precision precision) {
  return fmt::format("{} ({}): d_model {}, heads {}/{} of {}, experts {} of {}, d_ff {}, vocabulary {}, seed {}",
                     m.name, backend::precision_name(precision), m.d_model, m.n_head, m.n_head_kv, m.d_head,
                     m.n_expert_used, m.n_expert, m.d_ff, m.n_vocab, kSeed);
}

// Leaves NaN in every page, which nobody may read: each position is written before it is read. ref reads only what it
// should (loops over positions), so that it needs none.
void poison(backend::Backend& backend, Crowd& crowd, const SmallModel& spec) {
  if (poison_token(spec) < 0) return;
  for (int page = 0; page < crowd.n_page(); ++page) {
    const auto done = run_batch(backend, crowd.fill_page(page, poison_token(spec)));
    ASSERT_TRUE(done) << done.error().message;
  }
}

constexpr std::array kPromptRows = {1, 2, 3, 7, 8, 9, 16, 63, 64, 65, 130};
constexpr int kCrowd = 18;  // sequences; the first ones have those prompts

// All kinds of steps, in an order in which each finds its sequences as long as it needs them. Stops at the first that is
// wrong: later ones would only say the same.
bool run_script(StageLocal& gate, Crowd& crowd, const std::string& about) {
  const auto step = [&](const std::string& what, std::vector<Part> parts, int n_again) {
    return gate.run(crowd.take(parts), about + "; " + what, n_again);
  };
  int next = 0;
  for (const int n : kPromptRows) {
    if (!step(fmt::format("a prompt of {}", n), {{next++, n}}, 1)) return false;
  }
  std::vector<Part> rest;
  for (int i = 2; next < kCrowd; ++i) rest.push_back({next++, i});
  if (!step("seven short prompts", rest, 1)) return false;
  if (!step("63 more behind 130", {{10, 63}}, 1)) return false;
  if (!step("3 more behind 64, 9 behind 65", {{8, 3}, {9, 9}}, 1)) return false;
  // A step is recorded when it is seen for the second time, and run from the record from then on.
  for (const int n : {1, 2, 3, 7, 8, 9, 16, kCrowd})
    if (!gate.run(crowd.decode(n), fmt::format("{}; decoding {}", about, n), 3)) return false;
  const auto mixed = [&](int n_decode, int chunk) {
    std::vector<Part> parts;
    for (int i = 0; i < n_decode; ++i) parts.push_back({i, 1});
    parts.push_back({12, chunk});
    return step(fmt::format("decoding {} beside {} more of a prompt", n_decode, chunk), parts, 1);
  };
  return mixed(5, 63) && mixed(9, 2) && mixed(1, 7) && mixed(1, 64);
}

}  // namespace

std::vector<SmallModel> odd_shapes() {
  Formats nothing_fits = all_of(Type::kQ8_0);
  nothing_fits.o = Type::kF16;
  nothing_fits.router = Type::kF32;
  // What is not named is as in "base".
  return {
      {.name = "base"},
      {.name = "width512_group8",
       .d_model = 512,
       .n_head = 8,
       .n_head_kv = 1,
       .n_expert = 17,
       .n_expert_used = 5,
       .d_ff = 512},
      {.name = "width768_heads128_group1_experts128",
       .n_layer = 1,
       .d_model = 768,
       .n_head_kv = 4,
       .d_head = 128,
       .n_expert = 128,
       .n_expert_used = 8,
       .d_ff = 768},
      {.name = "heads256_group4_allofthree", .n_head_kv = 1, .d_head = 256, .n_expert = 3, .n_expert_used = 3},
      {.name = "group16_oneexpert", .n_head = 16, .n_head_kv = 1, .n_expert = 1, .n_expert_used = 1},
      {.name = "group160",
       .n_layer = 1,
       .n_head = 160,
       .n_head_kv = 1},  // more heads than a piece of a prompt has rows
      {.name = "group7_experts160", .n_head = 28, .n_head_kv = 4, .n_expert = 160, .n_expert_used = 7},
      // 448 columns are no blocks of 256.
      {.name = "group7_odd_output_projection", .n_head = 7, .n_head_kv = 1, .formats = {.o = Type::kQ8_0}},
      {.name = "heads128_group8_wideexperts",
       .n_head = 16,
       .d_head = 128,
       .n_expert = 17,
       .n_expert_used = 6,
       .d_ff = 768},
      {.name = "heads128_group2", .d_head = 128},
      {.name = "fourofnine", .n_expert = 9, .n_expert_used = 4},
      {.name = "morethanablockranks", .n_layer = 1, .n_expert = 600, .n_expert_used = 4},
      {.name = "thirtytwochoices", .n_layer = 1, .n_expert = 40, .n_expert_used = 32},
      // More blocks of 256 columns than one row's down has warps for.
      {.name = "longdown", .n_layer = 1, .n_expert = 8, .n_expert_used = 8, .d_ff = 2048},
      {.name = "verylongdown", .n_expert = 2, .d_ff = 4352},
      {.name = "width4352", .n_layer = 1, .d_model = 4352, .n_expert = 3},
      {.name = "width8448", .n_layer = 1, .d_model = 8448, .n_expert = 2, .n_expert_used = 1, .n_vocab = 67},
      // Nothing here is a multiple of 256.
      {.name = "nothingfits",
       .d_model = 160,
       .n_head = 5,
       .n_head_kv = 5,
       .d_ff = 96,
       .n_vocab = 1001,
       .formats = nothing_fits},
      {.name = "tied_q4k", .tied = true},
      {.name = "tied_q6k", .n_vocab = 4099, .tied = true, .formats = {.token_embd = Type::kQ6_K}},
      {.name = "tied_f16", .n_vocab = 15, .tied = true, .formats = {.token_embd = Type::kF16}},
  };
}

std::vector<SmallModel> format_mixes() {
  constexpr std::array kTypes = {Type::kQ4_K, Type::kQ6_K, Type::kQ8_0, Type::kF16, Type::kBF16, Type::kF32};
  std::vector<SmallModel> all;
  const auto add = [&](std::string name, const Formats& formats) {
    all.push_back({.name = std::move(name), .formats = formats});
  };
  for (const Type type : kTypes) add(fmt::format("all_{}", quant::format_of(type).name), all_of(type));
  // Every format in every role, and gate unlike up.
  for (size_t i = 0; i < kTypes.size(); ++i) {
    const auto at = [&](size_t role) { return kTypes[(i + role) % kTypes.size()]; };
    add(fmt::format("rotated{}", i), {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9)});
  }
  // The formats that have kernels for tensor cores: gate like up, all else unlike.
  for (size_t i = 0; i < 3; ++i) {
    const auto at = [&](size_t role) { return kTypes[(i + role) % 3]; };
    add(fmt::format("kernels{}", i), {at(0), at(0), at(1), at(2), at(0), Type::kF16, at(0), at(0), at(1), at(2)});
  }
  for (SmallModel& m : all) std::replace(m.name.begin(), m.name.end(), '-', '_');
  return all;
}

std::vector<SmallModel> head_shapes() {
  std::vector<SmallModel> all = {{.name = "heads64_group1", .n_head_kv = 4},
                                 {.name = "heads64_group4", .n_head = 8},
                                 {.name = "heads64_group7", .n_head = 28, .n_head_kv = 4},
                                 {.name = "heads128_group8", .n_head = 8, .n_head_kv = 1, .d_head = 128},
                                 {.name = "heads128_group2", .d_head = 128},
                                 {.name = "heads64_group16", .n_head = 16, .n_head_kv = 1},
                                 {.name = "heads256_group2", .n_head = 2, .n_head_kv = 1, .d_head = 256}};
  for (SmallModel& m : all) {
    m.n_layer = 1;
    m.n_expert = 2;
    m.n_expert_used = 1;
    m.n_vocab = 131;
  }
  return all;
}

std::vector<ShapeCase> cases_on(const Subject& subject, const std::vector<SmallModel>& models) {
  std::vector<ShapeCase> all;
  for (const SmallModel& model : models) all.push_back({subject, model});
  return all;
}

TEST_P(Shapes, EveryStepIsStageLocallyRight) {
  const SmallModel& spec = GetParam().model;
  const auto model = make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  for (const Precision precision : kAll) {
    const Subject on = {subject().factory, precision, subject().check_device};
    Crowd crowd(kCrowd, 320, spec.n_vocab - 1, kSeed + 1);
    StageLocal gate(on, *model, crowd.options(precision, n_usable_cpu(), 160));
    poison(gate.subject(), crowd, spec);
    if (HasFatalFailure()) return;
    run_script(gate, crowd, describe(spec, precision));
    std::cout << backend::precision_name(precision) << ": worst " << gate.worst() << " at " << gate.worst_where()
              << "\n";
  }
}

namespace {

constexpr std::array kAllLengths = {31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000};
constexpr auto kLengths = std::span(kAllLengths).first(kSanitized ? 6 : kAllLengths.size());

// Prompts up to two tokens before each of the lengths, in steps of at most 200 rows that many share, then five steps
// across them.
bool cross_lengths(StageLocal& gate, Crowd& crowd, const std::string& about) {
  const auto n = static_cast<int>(kLengths.size());
  for (;;) {
    std::vector<Part> parts;
    int left = 200;
    for (int s = 0; s < n && left > 0; ++s) {
      const int missing = std::min(kLengths[static_cast<size_t>(s)] - 2 - crowd.length(s), left);
      // A single row is a decoding one, which comes first.
      if (missing > 0) parts.insert(missing == 1 ? parts.begin() : parts.end(), {s, missing});
      left -= std::max(missing, 0);
    }
    if (parts.empty()) break;
    if (!gate.run(crowd.take(parts), about + "; prompts", 0)) return false;
  }
  for (int i = 0; i < 3; ++i)
    if (!gate.run(crowd.decode(n), fmt::format("{}; together, step {}", about, i), 3)) return false;
  for (int s = 0; s < n; ++s) {
    const Part alone[] = {{s, 1}};
    if (!gate.run(crowd.take(alone), fmt::format("{}; alone at {}", about, crowd.length(s)), 3)) return false;
  }
  return true;
}

// A long sequence without the time that its prompt would take: its page table names few pages many times over. Only the
// last two, which the step writes to, are its own.
class LongSequence {
 public:
  static constexpr int kShared = 5;  // of its pages that are read only
  LongSequence(int first_page, int length, int n_row) {
    const int page_size = backend::KvLayout{}.page_size;
    const int n_page = (length + page_size - 1) / page_size;
    const int first_own = (length - n_row) / page_size;
    for (int p = 0; p < n_page; ++p) {
      const int page = p < first_own ? p % kShared : kShared + (p - first_own);
      pages_.push_back(first_page + page);
    }
    length_ = length;
    n_row_ = n_row;
  }
  void add_to(std::vector<backend::Row>& rows, std::vector<backend::Sequence>& sequences, int n_vocab) const {
    const auto index = static_cast<int32_t>(sequences.size());
    for (int i = 0; i < n_row_; ++i)
      rows.push_back({static_cast<int32_t>((length_ + 31 * i) % n_vocab), length_ - n_row_ + i, index});
    sequences.push_back({index, length_, pages_});
  }

 private:
  std::vector<backend::PageId> pages_;
  int length_ = 0;
  int n_row_ = 0;
};

constexpr int kLongPages = LongSequence::kShared + 3;  // of each of them

bool run_long(StageLocal& gate, const std::vector<LongSequence>& members, int n_vocab, const std::string& what) {
  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> sequences;
  for (const LongSequence& member : members) member.add_to(rows, sequences, n_vocab);
  std::vector<backend::Output> outputs(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    outputs[r].row = static_cast<int>(r);
    outputs[r].sample = false;
    outputs[r].logits = true;
  }
  return gate.run({rows, sequences, {}, outputs}, what, 3);
}

}  // namespace

TEST_P(Lengths, AcrossTheEdgesOfTilesAndPages) {
  const SmallModel& spec = GetParam().model;
  const auto model = make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  for (const Precision precision : {Precision::kExact, Precision::kHigh}) {
    const Subject on = {subject().factory, precision, subject().check_device};
    Crowd crowd(static_cast<int>(kLengths.size()), 1020, spec.n_vocab - 1, kSeed + 2);
    StageLocal gate(on, *model, crowd.options(precision, n_usable_cpu(), 200));
    poison(gate.subject(), crowd, spec);
    if (HasFatalFailure()) return;
    cross_lengths(gate, crowd, describe(spec, precision));
    std::cout << backend::precision_name(precision) << ": worst " << gate.worst() << " at " << gate.worst_where()
              << "\n";
  }
}

TEST_P(Lengths, ManySplits) {
  const SmallModel& spec = GetParam().model;
  const auto model = make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  constexpr int kMembers = 3;
  for (const Precision precision : {Precision::kExact, Precision::kHigh}) {
    const Subject on = {subject().factory, precision, subject().check_device};
    // Filled by a crowd of one, whose pages are in any order; each member's part of the pool is read as it comes.
    Crowd crowd(1, 64 * kLongPages * kMembers, spec.n_vocab - 1, kSeed + 3);
    backend::Options options = crowd.options(precision, n_usable_cpu(), 256);
    options.max_sequence = kMembers;
    StageLocal gate(on, *model, options);
    const std::string about = describe(spec, precision);
    for (int i = 0; i < kLongPages * kMembers; i += 4) {
      const Part more[] = {{0, 256}};
      ASSERT_TRUE(gate.run(crowd.take(more), about + "; filling", 0));
    }
    const int n_vocab = spec.n_vocab - 1;
    for (const int length : {511, 1000, 4095, 4096, 4097, 16'385, 40'000}) {
      if (kSanitized && length > 1000) break;
      run_long(gate, {{0, length, 1}}, n_vocab, fmt::format("{}; alone at {}", about, length));
    }
    if (kSanitized) continue;
    run_long(gate, {{0, 300, 1}, {kLongPages, 4097, 1}, {2 * kLongPages, 40'001, 1}}, n_vocab,
             about + "; decoding at 300, 4,097 and 40,001");
    run_long(gate, {{0, 9000, 1}, {kLongPages, 5000, 70}}, n_vocab, about + "; 70 rows at 5,000, beside one at 9,000");
    std::cout << backend::precision_name(precision) << ": worst " << gate.worst() << " at " << gate.worst_where()
              << "\n";
  }
}

}  // namespace tercet::tests
