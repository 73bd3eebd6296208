#include "backend/kv_pages.h"

#include "base/check.h"

namespace tercet::backend {

PagePool::PagePool(int n_page) {
  CHECK(n_page >= 0);
  n_owner_.assign(static_cast<size_t>(n_page), 0);
  is_kept_.assign(static_cast<size_t>(n_page), false);
  free_.reserve(static_cast<size_t>(n_page));
  for (PageId page = n_page - 1; page >= 0; --page) free_.push_back(page);
}

PageId PagePool::allocate() {
  if (free_.empty()) return -1;
  const PageId page = free_.back();
  free_.pop_back();
  n_owner_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::retain(PageId page) {
  CHECK(page >= 0 && page < n_page() && n_owner(page) > 0);
  n_idle_ -= is_idle(page) ? 1 : 0;
  ++n_owner_[static_cast<size_t>(page)];
}

void PagePool::release(PageId page) {
  CHECK(page >= 0 && page < n_page() && n_owner(page) > 0 && !is_idle(page));
  if (--n_owner_[static_cast<size_t>(page)] == 0) free_.push_back(page);
  n_idle_ += is_idle(page) ? 1 : 0;
}

void PagePool::keep(PageId page) {
  retain(page);
  CHECK(!is_kept_[static_cast<size_t>(page)]);
  is_kept_[static_cast<size_t>(page)] = true;
}

void PagePool::drop(PageId page) {
  CHECK(page >= 0 && page < n_page() && is_kept_[static_cast<size_t>(page)]);
  n_idle_ -= is_idle(page) ? 1 : 0;
  is_kept_[static_cast<size_t>(page)] = false;
  release(page);
}

}  // namespace tercet::backend
