// Owns the book of KV pages: which are free, and how many sequences hold each. It touches no cache memory: a backend
// owns that, and the engine tells it what to copy (Batch::page_copies).
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

 private:
  std::vector<int> n_owner_;
  std::vector<PageId> free_;  // a stack
};

}  // namespace tercet::backend
