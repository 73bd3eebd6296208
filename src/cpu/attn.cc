// attn   contract: docs/stages.md#attn   mirrors: ref/attn.cc, cuda/attn.cu, wgpu/attn.wgsl
//   s_p = q.k_p / sqrt(d_head), p <= position; a = sum_p softmax(s)_p v_p; head i reads KV head i n_head_kv / n_head
//   q, a: [n_row, n_head, d_head] f32   k, v: the page table's pages of [n_head_kv, page_size, d_head] f32 or f16
//   launch: (row, KV head) a piece, or with few rows (row, KV head, segment)
//   sum: f32, kernels.h's order within a segment of 1,024 positions, segments merged in order, however work is cut
//   cost: reads the context's keys and values once for all query heads of a group; bandwidth-bound in decode
#include <algorithm>
#include <cmath>

#include "cpu/context.h"

namespace tercet::cpu {
namespace {

constexpr int kSegment = 1024;  // positions; a multiple of the page size
constexpr int kEnoughPieces = 4;

int n_segment(int n_position) { return (n_position + kSegment - 1) / kSegment; }

// What attend() leaves of one segment, for the query heads of a group.
struct Partial {
  float* out;  // [group, d_head] sum of exp(s - max) v
  float* max;  // [group]
  float* sum;  // [group]
  static int64_t size(int group, int64_t d) { return group * (d + 2); }
  static Partial at(float* memory, int group, int64_t d) {
    return {memory, memory + group * d, memory + group * (d + 1)};
  }
};

// into = into and next, as one softmax over both.
void merge(const Partial& into, const Partial& next, int group, int64_t d) {
  for (int g = 0; g < group; ++g) {
    const float largest = std::max(into.max[g], next.max[g]);
    const float a = std::exp(into.max[g] - largest);
    const float b = std::exp(next.max[g] - largest);
    for (int64_t j = 0; j < d; ++j) into.out[g * d + j] = into.out[g * d + j] * a + next.out[g * d + j] * b;
    into.sum[g] = into.sum[g] * a + next.sum[g] * b;
    into.max[g] = largest;
  }
}

void finish(float* out, const Partial& total, int group, int64_t d) {
  for (int g = 0; g < group; ++g)
    for (int64_t j = 0; j < d; ++j) out[g * d + j] = total.out[g * d + j] / total.sum[g];
}

// The pages that hold one segment of one head.
struct SegmentPages {
  const std::byte* keys[kSegment];
  const std::byte* values[kSegment];

  KvView gather(const backend::HostKv& kv, int layer, int head, std::span<const backend::PageId> pages, int begin,
                int end) {
    const backend::KvLayout& layout = kv.layout();
    for (int p = begin, i = 0; p < end; p += layout.page_size, ++i) {
      const backend::PageId page = pages[static_cast<size_t>(p / layout.page_size)];
      keys[i] = kv.keys(layer, page, head);
      values[i] = kv.values(layer, page, head);
    }
    return {layout.type, layout.page_size, layout.d_head, keys, values};
  }
};

}  // namespace

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  a_.resize(shape.n_row, config_.d_q());
  const int64_t d = config_.d_head;
  const int64_t size = Partial::size(config_.n_head / config_.n_head_kv, d);
  const int64_t n_piece = int64_t{shape.n_row} * config_.n_head_kv;
  if (n_piece < int64_t{kEnoughPieces} * pool_.n_thread()) {
    attend_in_segments(layer.index, shape.n_row);
  } else {
    attn_scratch_.resize(static_cast<size_t>(2 * size * pool_.n_thread()));
    pool_.parallel_for(n_piece, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i)
        attend_whole(layer.index, static_cast<int>(i / config_.n_head_kv), static_cast<int>(i % config_.n_head_kv),
                     attn_scratch_.data() + thread * 2 * size);
    });
  }
  a_.set_changed();
  tap(backend::Tap::kKqvOut, layer.index, a_.values, config_.d_q());
}

// All segments of one row and KV head, one after the other.
void Stages::attend_whole(int layer, int row_index, int kv_head, float* scratch) {
  const int64_t d = config_.d_head;
  const int group = config_.n_head / config_.n_head_kv;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  const backend::Row& row = step_->rows()[static_cast<size_t>(row_index)];
  const auto pages = step_->sequences()[static_cast<size_t>(row.sequence)].pages;
  const int64_t first_head = int64_t{row_index} * config_.n_head + int64_t{kv_head} * group;
  const Partial total = Partial::at(scratch, group, d);
  const Partial next = Partial::at(scratch + Partial::size(group, d), group, d);
  SegmentPages segment;
  for (int begin = 0; begin <= row.position; begin += kSegment) {
    const int end = std::min(begin + kSegment, row.position + 1);
    const KvView view = segment.gather(kv_, layer, kv_head, pages, begin, end);
    const Partial& out = begin == 0 ? total : next;
    kernels_.attend(view, q_.data() + first_head * d, group, 0, end - begin, scale, out.out, out.max, out.sum);
    if (begin != 0) merge(total, next, group, d);
  }
  finish(a_.values.data() + first_head * d, total, group, d);
}

// A few rows over a long context: the segments themselves are shared out, then merged in order.
void Stages::attend_in_segments(int layer, int n_row) {
  const int64_t d = config_.d_head;
  const int group = config_.n_head / config_.n_head_kv;
  const int64_t size = Partial::size(group, d);
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  std::vector<int64_t> first = {0};  // [n_row + 1] pieces before each row
  for (const backend::Row& row : step_->rows())
    first.push_back(first.back() + int64_t{n_segment(row.position + 1)} * config_.n_head_kv);
  attn_scratch_.resize(static_cast<size_t>(first.back() * size));

  pool_.parallel_for(first.back(), 1, [&](int64_t piece_begin, int64_t piece_end, int) {
    SegmentPages segment;
    for (int64_t piece = piece_begin; piece < piece_end; ++piece) {
      const auto r = static_cast<size_t>(std::upper_bound(first.begin(), first.end(), piece) - first.begin() - 1);
      const backend::Row& row = step_->rows()[r];
      const int n = n_segment(row.position + 1);
      const int kv_head = static_cast<int>((piece - first[r]) / n);
      const int begin = static_cast<int>((piece - first[r]) % n) * kSegment;
      const int end = std::min(begin + kSegment, row.position + 1);
      const auto pages = step_->sequences()[static_cast<size_t>(row.sequence)].pages;
      const KvView view = segment.gather(kv_, layer, kv_head, pages, begin, end);
      const float* q = q_.data() + (static_cast<int64_t>(r) * config_.n_head + int64_t{kv_head} * group) * d;
      const Partial out = Partial::at(attn_scratch_.data() + piece * size, group, d);
      kernels_.attend(view, q, group, 0, end - begin, scale, out.out, out.max, out.sum);
    }
  });
  for (int r = 0; r < n_row; ++r) {
    const int n = n_segment(step_->rows()[static_cast<size_t>(r)].position + 1);
    for (int kv_head = 0; kv_head < config_.n_head_kv; ++kv_head) {
      float* memory = attn_scratch_.data() + (first[static_cast<size_t>(r)] + int64_t{kv_head} * n) * size;
      const Partial total = Partial::at(memory, group, d);
      for (int s = 1; s < n; ++s) merge(total, Partial::at(memory + s * size, group, d), group, d);
      const int64_t first_head = int64_t{r} * config_.n_head + int64_t{kv_head} * group;
      finish(a_.values.data() + first_head * d, total, group, d);
    }
  }
}

}  // namespace tercet::cpu
