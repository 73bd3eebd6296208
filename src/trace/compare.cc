#include "trace/compare.h"

namespace tercet::trace {

void TraceComparison::write(const backend::TapView& view) {
  const std::string name = tensor_name(view.tap, view.layer);
  if (!status_ || !wanted_.has(name)) return;
  const auto wanted = wanted_.read_rows(name, position(), view.n_row);
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
  TapSums::Entry& entry = sums_.at(name, is_ids);
  entry.n_value += std::ssize(view.f32) + std::ssize(view.ids);
  if (!is_ids) entry.sum.add(view.f32, wanted->f32);
  for (size_t i = 0; i < view.ids.size(); ++i) entry.n_different_id += view.ids[i] != wanted->ids[i] ? 1 : 0;
}

Result<std::vector<TapComparison>> TraceComparison::finish() const {
  RETURN_IF_ERROR(status_);
  auto all = sums_.all();
  if (all.empty()) return error(Code::kInvalidArgument, "the trace file holds none of the taps, want at least one");
  return all;
}

}  // namespace tercet::trace
