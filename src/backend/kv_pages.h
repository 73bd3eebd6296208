// Owns the book of KV pages: which are free, and how many sequences hold each, and whether a cache does. It touches no
// cache memory: a backend owns that, and the engine tells it what to copy (Batch::page_copies).
#pragma once

#include <vector>

#include "backend/batch.h"

namespace tercet::backend {

class PagePool {
 public:
  explicit PagePool(int n_page);

  int n_page() const { return static_cast<int>(n_owner_.size()); }
  int n_free() const { return static_cast<int>(free_.size()); }
  int n_owner(PageId page) const { return n_owner_[static_cast<size_t>(page)]; }

  // A page with one owner, or -1 when none is free. Pages come back in a fixed order, so that runs repeat.
  PageId allocate();
  void retain(PageId page);   // one more owner
  void release(PageId page);  // one owner less; free at none

  // A cache becomes one of its owners, or is one no longer. It can be asked to let go, so that pages which nobody else
  // holds are as good as free.
  void keep(PageId page);
  void drop(PageId page);
  bool is_idle(PageId page) const { return is_kept_[static_cast<size_t>(page)] && n_owner(page) == 1; }
  int n_idle() const { return n_idle_; }

 private:
  std::vector<int> n_owner_;
  std::vector<bool> is_kept_;
  int n_idle_ = 0;            // pages that a cache alone owns
  std::vector<PageId> free_;  // a stack
};

}  // namespace tercet::backend
