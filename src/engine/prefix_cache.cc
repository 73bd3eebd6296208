#include "engine/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tercet::engine {

using backend::PageId;
using backend::TokenId;

namespace {

size_t common_length(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

bool begins_with(std::span<const TokenId> whole, std::span<const TokenId> beginning) {
  return common_length(whole, beginning) == beginning.size();
}

}  // namespace

bool PrefixCache::Less::operator()(std::span<const TokenId> a, std::span<const TokenId> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

PrefixCache::PrefixCache(backend::PagePool& pool, int page_size)
    : pool_(pool), page_size_(static_cast<size_t>(page_size)) {
  CHECK(page_size > 0);
}

PrefixCache::~PrefixCache() = default;

std::span<const TokenId> PrefixCache::piece_of(std::span<const TokenId> tokens, size_t i_page) const {
  const size_t begin = std::min(i_page * page_size_, tokens.size());
  return tokens.subspan(begin, std::min(page_size_, tokens.size() - begin));
}

PrefixCache::Node* PrefixCache::find_root(std::string_view owner) {
  const auto it = roots_.find(owner);
  return it == roots_.end() ? nullptr : it->second.get();
}

PrefixCache::Node& PrefixCache::root(std::string_view owner) {
  if (Node* there = find_root(owner)) return *there;
  const auto it = roots_.emplace(owner, std::make_unique<Node>()).first;
  it->second->owner = it->first;
  return *it->second;
}

void PrefixCache::touch(Node& node) {
  const bool is_leaf = node.children.empty();
  if (is_leaf) leaves_.erase(node.used);
  node.used = ++clock_;
  if (is_leaf) leaves_.emplace(node.used, &node);
}

PrefixCache::Match PrefixCache::find(std::string_view owner, std::span<const TokenId> tokens) {
  Match match;
  Node* node = find_root(owner);
  while (node != nullptr) {
    const auto piece = piece_of(tokens, match.pages.size());
    if (piece.empty()) break;
    // In the order of tokens, what has most in common with a piece stands beside its place.
    const auto after = node->children.lower_bound(piece);
    Node* next = nullptr;
    for (auto it : {after, after == node->children.begin() ? node->children.end() : std::prev(after)}) {
      if (it == node->children.end()) continue;
      const auto n = static_cast<int>(common_length(it->first, piece));
      if (n <= match.n_partial) continue;
      match.n_partial = n;
      next = it->second.get();
    }
    if (next == nullptr) break;
    touch(*next);
    if (static_cast<size_t>(match.n_partial) < page_size_) {
      match.partial = next->page;
      break;
    }
    match.pages.push_back(next->page);
    match.n_partial = 0;
    node = next;
  }
  return match;
}

int PrefixCache::keep_whole(std::string_view owner, std::span<const TokenId> tokens, std::span<const PageId> pages) {
  return keep(owner, tokens.first(tokens.size() / page_size_ * page_size_), pages, true);
}

void PrefixCache::keep_all(std::string_view owner, std::span<const TokenId> tokens, std::span<const PageId> pages) {
  keep(owner, tokens, pages, false);
}

int PrefixCache::keep(std::string_view owner, std::span<const TokenId> tokens, std::span<const PageId> pages,
                      bool goes_on) {
  if (tokens.empty()) return 0;
  CHECK(pages.size() * page_size_ >= tokens.size());
  Node* node = &root(owner);
  size_t i = 0;
  for (; i * page_size_ < tokens.size(); ++i) {
    const auto piece = piece_of(tokens, i);
    const auto after = node->children.lower_bound(piece);
    if (after != node->children.end() && begins_with(after->first, piece)) {
      Node& there = *after->second;
      if (goes_on && there.page != pages[i]) break;
      touch(there);
      node = &there;
      continue;  // a piece that is partial was the last
    }
    // Since no child begins with another, one that this piece begins with is its neighbour.
    Node* shorter = nullptr;
    if (after != node->children.begin() && begins_with(piece, std::prev(after)->first))
      shorter = std::prev(after)->second.get();
    node = &add(*node, piece, pages[i]);
    if (shorter != nullptr) remove(*shorter);
  }
  return static_cast<int>(i);
}

PrefixCache::Node& PrefixCache::add(Node& parent, std::span<const TokenId> piece, PageId page) {
  if (parent.parent != nullptr && parent.children.empty()) leaves_.erase(parent.used);
  const auto [it, is_new] =
      parent.children.emplace(std::vector<TokenId>(piece.begin(), piece.end()), std::make_unique<Node>());
  CHECK(is_new);
  Node& node = *it->second;
  node.parent = &parent;
  node.in_parent = it;
  node.page = page;
  node.used = ++clock_;
  leaves_.emplace(node.used, &node);
  pool_.keep(page);
  ++n_page_;
  return node;
}

void PrefixCache::remove(Node& leaf) {
  CHECK(leaf.children.empty() && leaf.parent != nullptr);
  leaves_.erase(leaf.used);
  pool_.drop(leaf.page);
  --n_page_;
  Node& parent = *leaf.parent;
  parent.children.erase(leaf.in_parent);
  if (!parent.children.empty()) return;
  if (parent.parent == nullptr) {
    roots_.erase(roots_.find(parent.owner));
  } else {
    leaves_.emplace(parent.used, &parent);
  }
}

bool PrefixCache::evict_one() {
  for (const auto& [used, leaf] : leaves_) {
    if (pool_.n_owner(leaf->page) > 1) continue;  // as many as run, at most
    remove(*leaf);
    ++n_evicted_;
    return true;
  }
  return false;
}

void PrefixCache::clear() {
  while (!leaves_.empty()) remove(*leaves_.begin()->second);
}

}  // namespace tercet::engine
