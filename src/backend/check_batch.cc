#include "backend/check_batch.h"

#include "base/check.h"

namespace tercet::backend {

void check_batch(const Batch& batch, const Limits& limits, int n_vocab) {
  CHECK(std::ssize(batch.rows) <= limits.max_row);
  CHECK(std::ssize(batch.sequences) <= limits.max_sequence);
  for (const Sequence& s : batch.sequences) {
    CHECK(s.slot >= 0 && s.slot < limits.max_sequence);
    CHECK(std::ssize(s.pages) * limits.kv.page_size >= s.length);
    for (const PageId page : s.pages) CHECK(page >= 0 && page < limits.kv.n_page);
  }
  for (const Row& row : batch.rows) {
    CHECK(row.token == kLast || (row.token >= 0 && row.token < n_vocab));
    CHECK(row.sequence >= 0 && row.sequence < std::ssize(batch.sequences));
    CHECK(row.position >= 0 && row.position < batch.sequences[static_cast<size_t>(row.sequence)].length);
  }
  for (const Output& output : batch.outputs) CHECK(output.row >= 0 && output.row < std::ssize(batch.rows));
}

}  // namespace tercet::backend
