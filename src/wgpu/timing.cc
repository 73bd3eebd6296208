#include "wgpu/timing.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tercet::wgpu {
namespace {

bool wants_times() {
  const char* wanted = std::getenv("TERCET_WGPU_TIMES");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Timing::Timing(Context& context) : context_(context), is_on_(wants_times()) {
  if (!is_on_ || !context.has_timestamps()) return;
  WGPUQuerySetDescriptor descriptor{};
  descriptor.type = WGPUQueryType_Timestamp;
  descriptor.count = kMost;
  auto resolved = context.make_buffer(8 * kMost, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc, "times");
  auto read = context.make_buffer(8 * kMost, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "times");
  if (!resolved || !read) return;
  resolved_ = std::move(*resolved);
  read_.buffer = std::move(*read);
  queries_.reset(wgpuDeviceCreateQuerySet(context.device(), &descriptor));
}

Timing::~Timing() {
  for (const auto& [n_row, steps] : steps_) {
    std::vector<std::pair<Sum, std::string>> lines;
    double all = 0;
    for (const auto& [key, sum] : steps.sums) {
      lines.emplace_back(sum, fmt::format("{}/{}", key.first, key.second));
      all += sum.us;
    }
    std::sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.first.us > b.first.us; });
    const auto n = static_cast<double>(steps.n_marked);
    fmt::print(stderr, "wgpu: {} steps of {} rows", steps.n_begun, n_row);
    if (steps.n_marked > 0) fmt::print(stderr, ", {:.1f} us each in {} with marks", all / n, steps.n_marked);
    fmt::print(stderr, "\n");
    if (!steps.record_us.empty() && !steps.wait_us.empty())
      fmt::print(
          stderr,
          "{:>12.1f} us of the host to record, {:.1f} to submit, medians of {}; then it waited {:.1f} for a step\n",
          median(steps.record_us), median(steps.submit_us), steps.record_us.size(), median(steps.wait_us));
    for (const auto& [sum, name] : lines) {
      const auto launches = static_cast<double>(sum.n);
      fmt::print(stderr, "{:>12.1f} us in {:>6.1f} of {:>9.2f} us  {}\n", sum.us / n, launches / n, sum.us / launches,
                 name);
    }
  }
}

void Timing::begin(WGPUComputePassEncoder pass, int n_row) {
  names_.clear();
  n_row_ = 0;
  if (!is_on_) return;
  n_row_ = n_row;
  if (steps_[n_row].n_begun++ % kEvery != 0 || queries_ == nullptr) return;
  names_ = {{"", 0}};
  wgpuComputePassEncoderWriteTimestamp(pass, queries_.get(), 0);
}

void Timing::mark(WGPUComputePassEncoder pass, std::string_view name, int variant) {
  if (names_.empty() || names_.size() >= kMost) return;
  wgpuComputePassEncoderWriteTimestamp(pass, queries_.get(), static_cast<uint32_t>(names_.size()));
  names_.emplace_back(name, variant);
}

void Timing::resolve(WGPUCommandEncoder encoder) {
  if (names_.empty()) return;
  const auto n = static_cast<uint32_t>(names_.size());
  wgpuCommandEncoderResolveQuerySet(encoder, queries_.get(), 0, n, resolved_.get(), 0);
  wgpuCommandEncoderCopyBufferToBuffer(encoder, resolved_.get(), 0, read_.buffer.get(), 0, 8 * uint64_t{n});
}

void Timing::submitting() {
  if (n_row_ == 0 || !names_.empty()) return;
  Steps& steps = steps_[n_row_];
  steps.record_us.push_back(1e3 * recording_.elapsed_ms());
  submitting_.restart();
}

void Timing::submitted(WGPUSubmissionIndex submission) {
  if (n_row_ == 0) return;
  if (names_.empty())
    steps_[n_row_].submit_us.push_back(1e3 * submitting_.elapsed_ms());
  else
    collect(submission);
  n_row_ = 0;
}

void Timing::waited(int n_row, double us) {
  if (is_on_) steps_[n_row].wait_us.push_back(us);
}

void Timing::collect(WGPUSubmissionIndex submission) {
  context_.start_reading(read_, 8 * names_.size());
  const double us_a_tick = static_cast<double>(wgpuQueueGetTimestampPeriod(context_.queue())) * 1e-3;
  if (context_.wait(submission)) {
    if (const auto bytes = context_.reading(read_)) {
      std::vector<uint64_t> ticks(names_.size());
      std::memcpy(ticks.data(), bytes->data(), 8 * ticks.size());
      Steps& steps = steps_[n_row_];
      for (size_t i = 1; i < ticks.size(); ++i) {
        Sum& sum = steps.sums[names_[i]];
        ++sum.n;
        sum.us += static_cast<double>(ticks[i] - ticks[i - 1]) * us_a_tick;
      }
      ++steps.n_marked;
      context_.done_reading(read_);
    }
  }
  names_.clear();
}

}  // namespace tercet::wgpu
