#include "trace/compare.h"

namespace tercet::trace {

void TraceComparison::write(const backend::TapView& view) {
  const std::string name = tensor_name(view.tap, view.layer);
  if (!status_ || !wanted_.has(name)) return;
  const auto wanted = wanted_.read_rows(name, position_, view.n_row);
  const bool is_ids = !view.ids.empty();
  if (!wanted) {
    status_ = tl::make_unexpected(wanted.error());
    return;
  }
  if (wanted->is_ids != is_ids || wanted->f32.size() != view.f32.size() || wanted->ids.size() != view.ids.size()) {
    status_ = error(Code::kInvalidArgument, "tensor '{}': [{}] in the file, want [*, {}] of {}", name,
                    fmt::join(wanted->shape, ", "), view.width, is_ids ? "I32" : "F32");
    return;
  }
  const auto [at, is_new] = entries_.try_emplace(name);
  if (is_new) order_.push_back(name);
  Entry& entry = at->second;
  entry.is_ids = is_ids;
  if (!is_ids) {
    entry.sum.add(view.f32, wanted->f32);
    return;
  }
  entry.n_id += std::ssize(view.ids);
  for (size_t i = 0; i < view.ids.size(); ++i) entry.n_different_id += view.ids[i] != wanted->ids[i] ? 1 : 0;
}

Result<std::vector<TapComparison>> TraceComparison::finish() const {
  RETURN_IF_ERROR(status_);
  if (order_.empty()) return error(Code::kInvalidArgument, "the trace file holds none of the taps, want at least one");
  std::vector<TapComparison> all;
  for (const std::string& name : order_) {
    const Entry& entry = entries_.at(name);
    all.push_back({name, entry.is_ids, entry.is_ids ? Result<Agreement>(Agreement{}) : entry.sum.result(), entry.n_id,
                   entry.n_different_id});
  }
  return all;
}

}  // namespace tercet::trace
