#include "suites/invariance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "trace/replay.h"

namespace tercet::tests {

TEST_P(Invariance, RandomSplitsAndThreads) {
  const auto ids = long_prompt(n_token());
  const auto whole = run_prompt(*make(n_token(), 1), ids);
  const unsigned seed = 20260501;
  std::mt19937 random(seed);
  for (int round = 0; round < (kSanitized ? 2 : 6); ++round) {
    std::vector<int> splits;
    for (int left = n_token(); left > 0; left -= splits.back())
      splits.push_back(std::min(left, 1 + static_cast<int>(random() % (round % 2 == 0 ? 7 : 90))));
    const auto backend = make(n_token(), 1 + round % 3);
    ASSERT_EQ(run_prompt(*backend, ids, splits), whole)
        << "seed " << seed << " round " << round << " splits " << testing::PrintToString(splits);
  }
}

TEST_P(Invariance, ATraceChangesNoBit) {
  const auto ids = long_prompt(33);
  trace::Recording recording;
  const auto seen = run_prompt(*make(33, 2), ids, {}, &recording);
  EXPECT_EQ(seen, run_prompt(*make(33, 2), ids));
  EXPECT_EQ(recording.at(backend::Tap::kResultOutput, -1).f32, seen);
}

// Sequences of unlike lengths, their pages shuffled through one pool, advance by random numbers of rows in common
// steps.
TEST_P(Invariance, Company) {
  const unsigned seed = 20260502;
  std::mt19937 random(seed);
  const auto text = long_prompt(400);
  constexpr int kSequences = 5;
  const int page_size = backend::KvLayout{}.page_size;
  const backend::Options options = options_for(600, subject().precision);
  const auto together = make_backend(*subject().factory, demo_model(), options);
  std::vector<backend::PageId> pool(static_cast<size_t>(options.n_page));
  std::iota(pool.begin(), pool.end(), 0);
  std::shuffle(pool.begin(), pool.end(), random);

  struct Member {
    std::vector<TokenId> ids;
    std::vector<backend::PageId> pages;
    std::vector<float> logits;
    int done = 0;
  };
  std::vector<Member> members(kSequences);
  for (int i = 0; i < kSequences; ++i) {
    const int n = 5 + static_cast<int>(random() % 70);
    members[static_cast<size_t>(i)].ids.assign(text.begin() + i * 37, text.begin() + i * 37 + n);
    for (int p = 0; p < n; p += page_size) {
      members[static_cast<size_t>(i)].pages.push_back(pool.back());
      pool.pop_back();
    }
  }
  for (;;) {
    std::vector<backend::Row> rows;
    std::vector<backend::Sequence> sequences;
    std::vector<backend::Output> outputs;
    std::vector<size_t> owner;
    for (size_t m = 0; m < members.size(); ++m) {
      Member& member = members[m];
      const int left = static_cast<int>(member.ids.size()) - member.done;
      const int n = std::min(left, static_cast<int>(random() % 20));
      if (n == 0) continue;
      for (int i = 0; i < n; ++i) {
        backend::Output output;
        output.row = static_cast<int>(rows.size());
        output.sample = false;
        output.logits = true;
        outputs.push_back(output);
        owner.push_back(m);
        const int position = member.done + i;
        rows.push_back({member.ids[static_cast<size_t>(position)], position, static_cast<int>(sequences.size())});
      }
      member.done += n;
      sequences.push_back({static_cast<int>(m), member.done, member.pages});
    }
    if (rows.empty() && std::all_of(members.begin(), members.end(),
                                    [](const Member& m) { return m.done == static_cast<int>(m.ids.size()); }))
      break;
    if (rows.empty()) continue;
    backend::StepResult result;
    ASSERT_TRUE(together->wait(*together->submit({rows, sequences, {}, outputs}, nullptr), result));
    for (size_t i = 0; i < owner.size(); ++i)
      members[owner[i]].logits.insert(members[owner[i]].logits.end(), result.outputs[i].logits.begin(),
                                      result.outputs[i].logits.end());
  }
  for (size_t m = 0; m < members.size(); ++m)
    EXPECT_EQ(run_prompt(*make(100, 2), members[m].ids), members[m].logits) << "seed " << seed << " member " << m;
}

// A shared page is copied before one of its owners writes to it.
TEST_P(Invariance, PageCopies) {
  const auto ids = long_prompt(40);
  const auto backend = make(3 * backend::KvLayout{}.page_size, 1);
  const auto alone = run_prompt(*backend, ids);  // page 0 holds the sequence now
  std::vector<backend::Row> rows = {{ids[39], 39, 0}};
  const backend::PageId page = 2;
  const backend::Sequence sequence{1, 40, {&page, 1}};
  const backend::PageCopy copy{0, page};
  backend::Output output;
  output.sample = false;
  output.logits = true;
  backend::StepResult result;
  ASSERT_TRUE(backend->wait(*backend->submit({rows, {&sequence, 1}, {&copy, 1}, {&output, 1}}, nullptr), result));
  const auto n_vocab = static_cast<std::ptrdiff_t>(result.outputs[0].logits.size());
  EXPECT_TRUE(std::equal(alone.end() - n_vocab, alone.end(), result.outputs[0].logits.begin()));
}

}  // namespace tercet::tests
