// Owns which computed KV pages are kept for requests to come: a radix tree whose edges are the tokens of one page each.
// It is one owner of the pages that it holds; it touches no cache memory, and calls no backend.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/batch.h"
#include "backend/kv_pages.h"

namespace tercet::engine {

// A page's keys and values depend on its own tokens and on all before them, and on nothing else: so the way from the root
// to a node is the node's whole identity. Only whole pages have children; a partial one is a leaf, and gives way to a
// longer one that begins with it.
//
// Whoever computes with a node's page also holds the pages of all nodes above it. So those that the cache alone holds
// are whole subtrees, and every one of them can be let go, leaf by leaf.
class PrefixCache {
 public:
  // The pool must outlive the cache.
  PrefixCache(backend::PagePool& pool, int page_size);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // What is there of a sequence's beginning. The pages are not retained.
  struct Match {
    std::vector<backend::PageId> pages;  // whole ones, from the first
    // A page whose first n_partial tokens are those that follow. What stands behind them in it is not the sequence's,
    // so that it has to be copied before it can be gone on with. -1: none.
    backend::PageId partial = -1;
    int n_partial = 0;
    int n_token(int page_size) const { return static_cast<int>(pages.size()) * page_size + n_partial; }
  };
  // Each `owner` has a tree of its own: how much of a prompt is there says what others have asked. What is found counts
  // as used.
  Match find(std::string_view owner, std::span<const backend::TokenId> tokens);

  // Keeps the pages of a sequence that goes on: the whole ones among those of `tokens`, which have been computed. Stops at
  // the first that the tree already has from somebody else, because what is below it would not be held by whoever holds
  // this. The number of pages up to there.
  int keep_whole(std::string_view owner, std::span<const backend::TokenId> tokens,
                 std::span<const backend::PageId> pages);
  // Keeps those of a sequence that has ended, the partial last one too. Nothing writes to them any more.
  void keep_all(std::string_view owner, std::span<const backend::TokenId> tokens,
                std::span<const backend::PageId> pages);

  // Lets the page go that was not used for longest, among those at the ends of the tree that nobody else holds. False:
  // there is none.
  bool evict_one();
  void clear();

  int n_page() const { return n_page_; }
  int64_t n_evicted() const { return n_evicted_; }

 private:
  struct Less {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the name is std::map's
    bool operator()(std::span<const backend::TokenId> a, std::span<const backend::TokenId> b) const;
  };
  struct Node;
  // By their tokens. None begins with another.
  using Children = std::map<std::vector<backend::TokenId>, std::unique_ptr<Node>, Less>;
  struct Node {
    Node* parent = nullptr;        // null: a root
    Children::iterator in_parent;  // where it hangs there
    backend::PageId page = -1;
    int64_t used = 0;  // when; no two are the same, and a parent's is before its child's of the same use
    Children children;
    std::string_view owner;  // of a root: its key in roots_
  };

  std::span<const backend::TokenId> piece_of(std::span<const backend::TokenId> tokens, size_t i_page) const;
  Node* find_root(std::string_view owner);
  Node& root(std::string_view owner);
  int keep(std::string_view owner, std::span<const backend::TokenId> tokens, std::span<const backend::PageId> pages,
           bool goes_on);
  Node& add(Node& parent, std::span<const backend::TokenId> piece, backend::PageId page);
  void remove(Node& leaf);
  void touch(Node& node);

  backend::PagePool& pool_;
  const size_t page_size_;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> roots_;
  std::map<int64_t, Node*> leaves_;  // by `used`
  int64_t clock_ = 0;
  int n_page_ = 0;
  int64_t n_evicted_ = 0;
};

}  // namespace tercet::engine
