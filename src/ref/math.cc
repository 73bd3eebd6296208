#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ref/context.h"

namespace tercet::ref {
namespace {

// kLane rows of x side by side, so that each has its own sum in index order and the compiler can still use vectors.
template <int64_t kLane>
void matmul_lanes(ThreadPool& pool, std::span<float> y, const model::QTensor& w, std::span<const float> x,
                  int64_t n_row) {
  const int64_t n_group = (n_row + kLane - 1) / kLane;
  std::vector<double> lanes(static_cast<size_t>(n_group * w.cols * kLane));  // [n_group, cols, kLane]
  for (int64_t r = 0; r < n_row; ++r)
    for (int64_t i = 0; i < w.cols; ++i)
      lanes[static_cast<size_t>(((r / kLane) * w.cols + i) * kLane + r % kLane)] =
          x[static_cast<size_t>(r * w.cols + i)];

  pool.parallel_for(w.rows, 16, [&](int64_t begin, int64_t end, int) {
    std::vector<float> weights(static_cast<size_t>(w.cols));
    for (int64_t o = begin; o < end; ++o) {
      w.format->dequantize(weights.data(), w.row(o), w.cols / w.format->block_size);
      for (int64_t g = 0; g < n_group; ++g) {
        const double* in = lanes.data() + g * w.cols * kLane;
        double sum[kLane] = {};
        for (int64_t i = 0; i < w.cols; ++i)
          for (int64_t l = 0; l < kLane; ++l) sum[l] += double{weights[static_cast<size_t>(i)]} * in[i * kLane + l];
        for (int64_t r = g * kLane; r < std::min(n_row, (g + 1) * kLane); ++r)
          y[static_cast<size_t>(r * w.rows + o)] = static_cast<float>(sum[r % kLane]);
      }
    }
  });
}

}  // namespace

void matmul(ThreadPool& pool, std::span<float> y, const model::QTensor& w, std::span<const float> x, int64_t n_row) {
  CHECK(std::ssize(x) == n_row * w.cols && std::ssize(y) == n_row * w.rows);
  if (n_row == 1)
    matmul_lanes<1>(pool, y, w, x, n_row);
  else
    matmul_lanes<8>(pool, y, w, x, n_row);
}

void rms_norm(std::span<float> y, std::span<const float> x, std::span<const float> w, int64_t n_row, float eps) {
  const int64_t dim = std::ssize(w);
  CHECK(std::ssize(x) == n_row * dim && y.size() == x.size());
  for (int64_t r = 0; r < n_row; ++r) {
    const auto in = x.subspan(static_cast<size_t>(r * dim), static_cast<size_t>(dim));
    const auto out = y.subspan(static_cast<size_t>(r * dim), static_cast<size_t>(dim));
    double sum = 0.0;
    for (const float value : in) sum += double{value} * double{value};
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(dim) + double{eps});
    for (size_t i = 0; i < in.size(); ++i) out[i] = static_cast<float>(in[i] * scale * w[i]);
  }
}

void rope(std::span<float> x, int64_t d, int position, float base) {
  const int64_t half = d / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double angle = position * std::pow(double{base}, -2.0 * static_cast<double>(i) / static_cast<double>(d));
    const double c = std::cos(angle);
    const double s = std::sin(angle);
    for (int64_t head = 0; head < std::ssize(x) / d; ++head) {
      float& first = x[static_cast<size_t>(head * d + i)];
      float& second = x[static_cast<size_t>(head * d + half + i)];
      const double a = first;
      const double b = second;
      first = static_cast<float>(a * c - b * s);
      second = static_cast<float>(b * c + a * s);
    }
  }
}

}  // namespace tercet::ref
