#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "base/sanitized.h"

namespace tercet::engine {
namespace {

using backend::PageId;
using backend::PagePool;
using backend::TokenId;
using Tokens = std::vector<TokenId>;

constexpr int kPageSize = 4;

// A sequence that ends: its pages come from the pool and are left to the cache.
std::vector<PageId> keep(PagePool& pool, PrefixCache& cache, const Tokens& tokens, std::string_view owner = "") {
  std::vector<PageId> pages((tokens.size() + kPageSize - 1) / kPageSize);
  for (PageId& page : pages) page = pool.allocate();
  cache.keep_all(owner, tokens, pages);
  for (const PageId page : pages) pool.release(page);
  return pages;
}

TEST(PrefixCache, FindsWholePagesAndTheBeginningOfTheNext) {
  PagePool pool(8);
  PrefixCache cache(pool, kPageSize);
  const auto pages = keep(pool, cache, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_EQ(cache.n_page(), 3);
  EXPECT_EQ(pool.n_idle(), 3);
  EXPECT_EQ(pool.n_free(), 5);

  auto match = cache.find("", Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
  EXPECT_EQ(match.pages, (std::vector<PageId>{pages[0], pages[1]}));
  EXPECT_EQ(match.partial, pages[2]);
  EXPECT_EQ(match.n_partial, 2);
  EXPECT_EQ(match.n_token(kPageSize), 10);

  match = cache.find("", Tokens{1, 2, 3, 4, 5, 6, 99});
  EXPECT_EQ(match.pages, std::vector<PageId>{pages[0]});
  EXPECT_EQ(match.partial, pages[1]) << "the beginning of a whole page is worth as much";
  EXPECT_EQ(match.n_partial, 2);

  match = cache.find("", Tokens{1, 2, 3, 4});
  EXPECT_EQ(match.n_token(kPageSize), 4);
  EXPECT_EQ(match.partial, -1);
  EXPECT_EQ(cache.find("", Tokens{2, 2}).n_token(kPageSize), 0);
  EXPECT_EQ(cache.find("", Tokens{}).n_token(kPageSize), 0);
}

TEST(PrefixCache, OwnersDoNotSeeEachOther) {
  PagePool pool(8);
  PrefixCache cache(pool, kPageSize);
  keep(pool, cache, {1, 2, 3, 4, 5}, "ann");
  EXPECT_EQ(cache.find("bob", Tokens{1, 2, 3, 4, 5}).n_token(kPageSize), 0);
  EXPECT_EQ(cache.find("ann", Tokens{1, 2, 3, 4, 5}).n_token(kPageSize), 5);
}

TEST(PrefixCache, ALongerPartialPageTakesTheShorterOnesPlace) {
  PagePool pool(8);
  PrefixCache cache(pool, kPageSize);
  keep(pool, cache, {1, 2});
  const auto longer = keep(pool, cache, {1, 2, 3});
  EXPECT_EQ(cache.n_page(), 1);
  EXPECT_EQ(cache.find("", Tokens{1, 2, 3}).partial, longer[0]);
  keep(pool, cache, {1});
  EXPECT_EQ(cache.n_page(), 1) << "a shorter one brings nothing";
  keep(pool, cache, {1, 2, 4, 4, 5});
  EXPECT_EQ(cache.n_page(), 3) << "one that goes another way stands beside it";
  EXPECT_EQ(pool.n_idle() + pool.n_free(), 8);
}

TEST(PrefixCache, PagesThatAreUsedStay) {
  PagePool pool(8);
  PrefixCache cache(pool, kPageSize);
  const auto pages = keep(pool, cache, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  pool.retain(pages[0]);
  pool.retain(pages[1]);
  EXPECT_EQ(pool.n_idle(), 1);
  EXPECT_TRUE(cache.evict_one());
  EXPECT_FALSE(cache.evict_one());
  EXPECT_EQ(cache.n_page(), 2);
  pool.release(pages[0]);
  pool.release(pages[1]);
  EXPECT_TRUE(cache.evict_one());
  EXPECT_TRUE(cache.evict_one());
  EXPECT_EQ(pool.n_free(), 8);
  EXPECT_EQ(cache.n_evicted(), 3);
}

TEST(PrefixCache, OneThatGoesOnKeepsNothingBelowAnothersPage) {
  PagePool pool(8);
  PrefixCache cache(pool, kPageSize);
  keep(pool, cache, {1, 2, 3, 4});
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<PageId> own = {pool.allocate(), pool.allocate(), pool.allocate()};
  EXPECT_EQ(cache.keep_whole("", tokens, own), 0);
  EXPECT_EQ(cache.n_page(), 1);
  const Tokens other = {7, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(cache.keep_whole("", other, own), 2) << "the partial page may still change";
  EXPECT_EQ(cache.n_page(), 3);
  EXPECT_EQ(pool.n_idle(), 1);
}

// What the cache has to be: every page under all the tokens up to its end, and when it was used.
class SimpleCache {
 public:
  struct Entry {
    PageId page;
    int64_t used;
  };
  using Key = std::pair<std::string, Tokens>;

  static Tokens before(const Tokens& tokens) {
    return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>((tokens.size() - 1) / kPageSize * kPageSize)};
  }
  static bool begins(const Tokens& whole, const Tokens& part) {
    return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
  }

  // How many tokens of the way are there, in whole pages and beyond.
  std::pair<int, int> find(const std::string& owner, const Tokens& tokens, std::vector<PageId>& pages) {
    size_t whole = 0;
    while (whole + kPageSize <= tokens.size() && entries.contains({owner, first(tokens, whole + kPageSize)})) {
      whole += kPageSize;
      pages.push_back(use({owner, first(tokens, whole)}));
    }
    int best = 0;
    for (const auto& [key, entry] : entries) {
      if (key.first != owner || key.second.size() <= whole || before(key.second) != first(tokens, whole)) continue;
      int n = 0;
      const size_t end = std::min(key.second.size(), tokens.size());
      for (size_t i = whole; i < end && key.second[i] == tokens[i]; ++i) ++n;
      best = std::max(best, n);
    }
    return {static_cast<int>(whole), best};
  }

  void keep(const std::string& owner, const Tokens& tokens, const std::vector<PageId>& pages) {
    for (size_t i = 0; i * kPageSize < tokens.size(); ++i) {
      const Tokens key = first(tokens, std::min(tokens.size(), (i + 1) * kPageSize));
      bool is_there = false;
      for (auto& [other, entry] : entries) {
        if (other.first != owner || before(other.second) != before(key) || !begins(other.second, key)) continue;
        entry.used = ++clock;
        is_there = true;
        break;  // of several that begin with a partial page, the first in order counts as used
      }
      if (is_there) continue;
      std::erase_if(entries, [&](const auto& other) {
        return other.first.first == owner && before(other.first.second) == before(key) &&
               begins(key, other.first.second);
      });
      entries[{owner, key}] = {pages[i], ++clock};
    }
  }

  std::optional<Key> oldest_end(const PagePool& pool) const {
    std::optional<Key> oldest;
    for (const auto& [key, entry] : entries) {
      if (!pool.is_idle(entry.page)) continue;
      const bool has_more = std::any_of(entries.begin(), entries.end(), [&mine = key](const auto& other) {
        return other.first.first == mine.first && other.first.second.size() > mine.second.size() &&
               begins(other.first.second, mine.second) && mine.second.size() % kPageSize == 0;
      });
      if (!has_more && (!oldest || entry.used < entries.at(*oldest).used)) oldest = key;
    }
    return oldest;
  }

  PageId use(const Key& key) {
    Entry& entry = entries.at(key);
    entry.used = ++clock;
    return entry.page;
  }
  static Tokens first(const Tokens& tokens, size_t n) {
    return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n)};
  }
  // Of what find() has shown as the partial page, which it chooses freely among equals.
  void use_page(PageId page) {
    for (auto& [key, entry] : entries)
      if (entry.page == page) entry.used = ++clock;
  }

  std::map<Key, Entry> entries;
  int64_t clock = 0;
};

// Sequences that begin alike come, compute, and go, with the pool often empty.
void random_walk(unsigned seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](size_t n) { return random() % n; };
  const int n_page = 6 + static_cast<int>(below(20));
  PagePool pool(n_page);
  PrefixCache cache(pool, kPageSize);
  SimpleCache simple;
  std::vector<std::vector<PageId>> running;
  for (int i = 0; i < 300; ++i) {
    if (!running.empty() && below(3) == 0) {
      const size_t which = below(running.size());
      for (const PageId page : running[which]) pool.release(page);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
    }
    const std::string owner = below(4) == 0 ? "other" : "";
    Tokens tokens(1 + below(18));
    for (TokenId& token : tokens) token = static_cast<TokenId>(below(2));

    std::vector<PageId> wanted;
    const auto [n_whole, n_partial] = simple.find(owner, tokens, wanted);
    const auto match = cache.find(owner, tokens);
    ASSERT_EQ(match.pages, wanted);
    ASSERT_EQ(match.n_partial, n_partial);
    ASSERT_EQ(match.n_token(kPageSize), n_whole + n_partial);
    ASSERT_EQ(match.partial >= 0, n_partial > 0);
    if (match.partial >= 0) simple.use_page(match.partial);

    std::vector<PageId> pages = match.pages;
    for (const PageId page : pages) pool.retain(page);
    while (pages.size() * kPageSize < tokens.size()) {
      PageId page = pool.allocate();
      if (page < 0) {
        const auto oldest = simple.oldest_end(pool);
        ASSERT_EQ(cache.evict_one(), oldest.has_value());
        if (!oldest) break;
        page = pool.allocate();
        ASSERT_EQ(page, simple.entries.at(*oldest).page) << "another went than the one not used for longest";
        simple.entries.erase(*oldest);
      }
      pages.push_back(page);
    }
    if (pages.size() * kPageSize >= tokens.size()) {
      simple.keep(owner, tokens, pages);
      cache.keep_all(owner, tokens, pages);
    }
    if (below(3) == 0) {
      running.push_back(pages);
    } else {
      for (const PageId page : pages) pool.release(page);
    }
    ASSERT_EQ(cache.n_page(), std::ssize(simple.entries));
    int n_idle = 0;
    for (const auto& [key, entry] : simple.entries) n_idle += pool.n_owner(entry.page) == 1 ? 1 : 0;
    ASSERT_EQ(pool.n_idle(), n_idle);
  }
  for (const auto& pages : running)
    for (const PageId page : pages) pool.release(page);
  EXPECT_EQ(pool.n_free() + pool.n_idle(), n_page) << "pages leaked";
  cache.clear();
  EXPECT_EQ(pool.n_free(), n_page);
  EXPECT_EQ(cache.n_page(), 0);
}

TEST(PrefixCache, RandomWalkAgreesWithASimpleModel) {
  for (unsigned seed = 0; seed < (kSanitized ? 60 : 200); ++seed) {
    random_walk(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tercet::engine
