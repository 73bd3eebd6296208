#include "cuda/weights.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "base/check.h"
#include "base/thread_pool.h"
#include "cuda/repack.h"

namespace tercet::cuda {
namespace {

using model::QTensor;

constexpr int64_t kAlignment = 256;            // of each plane
constexpr int64_t kChunk = int64_t{32} << 20;  // bytes that go to the device in one copy
constexpr int kSlots = 3;                      // chunks under way: one filled, one copied, one rearranged
constexpr int64_t kPiece = int64_t{1} << 20;   // of a chunk, what a thread takes at a time
constexpr int kMostThreads = 8;                // more than these read no faster than the bus takes it
constexpr int64_t kBlockQ4K = 144;
constexpr int64_t kBlockQ6K = 210;
constexpr int64_t kSuperQ8 = 272;  // 8 blocks of 34 bytes, 256 columns

Layout layout_of(const QTensor& w, backend::Precision precision) {
  if (precision == backend::Precision::kExact) return Layout::kFile;
  if (w.format->type == quant::Type::kQ4_K) return Layout::kQ4K;
  if (w.format->type == quant::Type::kQ6_K) return Layout::kQ6K;
  if (w.format->type == quant::Type::kQ8_0 && w.cols % 256 == 0) return Layout::kQ8;
  return Layout::kFile;
}

// Bytes of the file on their way to `to`.
struct Transfer {
  std::span<const std::byte> from;
  Tensor to;         // kFile: quants only
  int largest = -1;  // which of the plan's numbers is its largest weight, where its layout wants one
};

// Bytes that must not be torn apart.
int64_t unit_of(Layout layout) {
  switch (layout) {
    case Layout::kQ4K: return kBlockQ4K;
    case Layout::kQ6K: return kBlockQ6K;
    case Layout::kQ8: return kSuperQ8;
    case Layout::kFile: break;
  }
  return 1;
}

// Gives every plane its place, from `base` on; where that is null, only the size counts.
class Plan {
 public:
  Plan(const model::Model& model, backend::Precision precision, uint8_t* base) : base_(base), precision_(precision) {
    largest_ = reinterpret_cast<uint32_t*>(take(max_matrices(model) * int64_t{sizeof(uint32_t)}));
    weights_ = std::make_unique<Weights>();
    weights_->token_embd = place(model.token_embd, Layout::kFile);
    for (const model::LayerSpec& layer : model.layers) place_layer(layer);
    weights_->output_norm = place(model.output_norm);
    place_output(model);
  }

  int64_t n_byte() const { return used_; }
  std::span<const Transfer> transfers() const { return transfers_; }
  uint32_t* largest() const { return largest_; }
  int n_largest() const { return n_largest_; }
  std::unique_ptr<Weights> take_weights() { return std::move(weights_); }

  // values: what the device found, in the order in which the matrices were placed.
  void set_scales(std::span<const uint32_t> values) {
    size_t next = 0;
    for_each_tensor([&](Tensor& w) {
      if (w.layout != Layout::kFile) w.scale_up = scale_up_for(std::bit_cast<float>(values[next++]));
    });
    CHECK(next == values.size());
  }

 private:
  static int64_t max_matrices(const model::Model& model) { return std::ssize(model.layers) * 7 + 1; }

  uint8_t* take(int64_t n_byte) {
    uint8_t* at = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (n_byte + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }

  const float* place(const std::vector<float>& values) {
    Transfer transfer;
    transfer.from = std::as_bytes(std::span(values));
    transfer.to.quants = take(static_cast<int64_t>(transfer.from.size()));
    transfers_.push_back(transfer);
    return reinterpret_cast<const float*>(transfer.to.quants);
  }

  Tensor place(const QTensor& w) { return place(w, layout_of(w, precision_)); }

  Tensor place(const QTensor& w, Layout layout) {
    Transfer transfer;
    transfer.from = {w.data, static_cast<size_t>(w.n_mat * w.mat_bytes())};
    Tensor& to = transfer.to;
    to.type = static_cast<uint32_t>(w.format->type);
    to.layout = layout;
    to.rows = static_cast<int>(w.rows);
    to.cols = static_cast<int>(w.cols);
    to.n_mat = static_cast<int>(w.n_mat);
    const int64_t n_super = w.n_mat * w.rows * (w.cols / 256);
    if (layout == Layout::kQ6K) {
      to.quants = take(n_super * 192);
      to.scales = reinterpret_cast<const int8_t*>(take(n_super * 16));
      to.d = reinterpret_cast<const uint16_t*>(take(n_super * 2));
    } else if (layout == Layout::kQ8) {
      to.quants = take(n_super * 256);
      to.d = reinterpret_cast<const uint16_t*>(take(n_super * 16));
    } else {
      to.quants = take(static_cast<int64_t>(transfer.from.size()));
    }
    if (layout != Layout::kFile) transfer.largest = n_largest_++;
    transfers_.push_back(transfer);
    return to;
  }

  void place_layer(const model::LayerSpec& layer) {
    LayerWeights& out = weights_->layers.emplace_back();
    out.attn_norm = place(layer.attn_norm);
    out.attn_q_norm = place(layer.attn_q_norm);
    out.attn_k_norm = place(layer.attn_k_norm);
    out.wq = place(layer.wq);
    out.wk = place(layer.wk);
    out.wv = place(layer.wv);
    out.wo = place(layer.wo);
    out.ffn_norm = place(layer.ffn_norm);
    out.gate_inp = place(layer.gate_inp, Layout::kFile);
    // One kernel multiplies by gate and up, and one way through the experts takes all three.
    const Layout gate = layout_of(layer.gate_exps, precision_);
    const bool alike = gate == layout_of(layer.up_exps, precision_) && gate != Layout::kFile &&
                       layout_of(layer.down_exps, precision_) != Layout::kFile;
    const auto place_expert = [&](const QTensor& w) { return alike ? place(w) : place(w, Layout::kFile); };
    out.gate_exps = place_expert(layer.gate_exps);
    out.up_exps = place_expert(layer.up_exps);
    out.down_exps = place_expert(layer.down_exps);
  }

  // Where the file has no output of its own, token_embd serves as far as its bytes do.
  void place_output(const model::Model& model) {
    const Layout layout = layout_of(model.output, precision_);
    const bool is_tied = model.output.data == model.token_embd.data;
    weights_->output = is_tied && layout == Layout::kFile ? weights_->token_embd : place(model.output, layout);
  }

  template <typename F>
  void for_each_tensor(const F& f) {
    for (LayerWeights& l : weights_->layers)
      for (Tensor* w : {&l.wq, &l.wk, &l.wv, &l.wo, &l.gate_exps, &l.up_exps, &l.down_exps}) f(*w);
    f(weights_->output);
  }

  uint8_t* const base_;
  const backend::Precision precision_;
  int64_t used_ = 0;
  uint32_t* largest_ = nullptr;
  int n_largest_ = 0;
  std::vector<Transfer> transfers_;
  std::unique_ptr<Weights> weights_;
};

// Fills pinned buffers from the file and keeps the device busy with the ones before.
class Uploader {
 public:
  // `largest`: where the transfers' largest weights go.
  static Result<std::unique_ptr<Uploader>> create(int n_thread, uint32_t* largest) {
    auto out = std::unique_ptr<Uploader>(new Uploader(n_thread, largest));
    ASSIGN_OR_RETURN(out->stream_, make_stream());
    for (Slot& slot : out->slots_) {
      ASSIGN_OR_RETURN(slot.host, PinnedBuffer<std::byte>::allocate(kChunk, "reading weights"));
      ASSIGN_OR_RETURN(slot.device, DeviceBuffer<uint8_t>::allocate(kChunk, "reading weights"));
      ASSIGN_OR_RETURN(slot.done, make_event());
    }
    return out;
  }
  // What is under way uses the slots.
  ~Uploader() {
    if (stream_ != nullptr) (void)cudaStreamSynchronize(stream_.get());
  }

  cudaStream_t stream() const { return stream_.get(); }

  Status send(const Transfer& transfer, int64_t begin, int64_t n) {
    const Slot& slot = slots_[next_++ % kSlots];
    RETURN_IF_ERROR(check(cudaEventSynchronize(slot.done.get()), "copying weights"));
    fill(slot.host.data(), transfer.from.subspan(static_cast<size_t>(begin), static_cast<size_t>(n)));
    const bool is_staged = transfer.to.layout == Layout::kQ6K || transfer.to.layout == Layout::kQ8;
    auto* to = is_staged ? slot.device.data() : const_cast<uint8_t*>(transfer.to.quants) + begin;
    RETURN_IF_ERROR(
        check(cudaMemcpyAsync(to, slot.host.data(), static_cast<size_t>(n), cudaMemcpyHostToDevice, stream_.get()),
              "copying weights"));
    RETURN_IF_ERROR(check(rearrange(transfer, to, begin, n), "rearranging weights"));
    return check(cudaEventRecord(slot.done.get(), stream_.get()), "copying weights");
  }

 private:
  struct Slot {
    PinnedBuffer<std::byte> host;
    DeviceBuffer<uint8_t> device;  // blocks as in the file, before they are rearranged
    Event done;                    // the device has no more use for either
  };

  Uploader(int n_thread, uint32_t* largest) : pool_(std::clamp(n_thread, 1, kMostThreads)), largest_(largest) {}

  void fill(std::byte* to, std::span<const std::byte> from) {
    static const auto kPage = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto n_byte = std::ssize(from);
    pool_.parallel_for((n_byte + kPiece - 1) / kPiece, 1, [&](int64_t first, int64_t last, int) {
      const int64_t begin = first * kPiece;
      const auto n = static_cast<size_t>(std::min(last * kPiece, n_byte) - begin);
      // Many pages in one call, where touching them would take a fault each; what fails shows when they are read.
      const std::byte* bytes = from.data() + begin;
      const size_t before = reinterpret_cast<uintptr_t>(bytes) % kPage;
      (void)::madvise(const_cast<std::byte*>(bytes - before), before + n, MADV_POPULATE_READ);
      std::memcpy(to + begin, bytes, n);
    });
  }

  // `blocks`: the n bytes from `begin` on, on the device.
  cudaError_t rearrange(const Transfer& transfer, const uint8_t* blocks, int64_t begin, int64_t n) {
    const Tensor& to = transfer.to;
    const int64_t unit = unit_of(to.layout);
    const int64_t first = begin / unit;
    auto* quants = const_cast<uint8_t*>(to.quants);
    auto* scales = const_cast<int8_t*>(to.scales);
    auto* d = const_cast<uint16_t*>(to.d);
    uint32_t* largest = transfer.largest < 0 ? nullptr : largest_ + transfer.largest;
    switch (to.layout) {
      case Layout::kQ4K: return measure_q4_k(blocks, n / unit, largest, stream_.get());
      case Layout::kQ6K:
        return repack_q6_k(blocks, n / unit, quants + first * 192, scales + first * 16, d + first, largest,
                           stream_.get());
      case Layout::kQ8:
        return repack_q8_0(blocks, n / unit, quants + first * 256, d + first * 8, largest, stream_.get());
      case Layout::kFile: break;
    }
    return cudaSuccess;
  }

  ThreadPool pool_;
  uint32_t* const largest_;
  Stream stream_;
  std::array<Slot, kSlots> slots_;
  size_t next_ = 0;
};

Status send_all(Uploader& uploader, const Plan& plan, const backend::LoadProgress& progress) {
  int64_t n_total = 0;
  int64_t n_done = 0;
  for (const Transfer& transfer : plan.transfers()) n_total += std::ssize(transfer.from);
  for (const Transfer& transfer : plan.transfers()) {
    const int64_t unit = unit_of(transfer.to.layout);
    const int64_t chunk = kChunk / unit * unit;
    for (int64_t begin = 0; begin < std::ssize(transfer.from); begin += chunk) {
      const int64_t n = std::min(chunk, std::ssize(transfer.from) - begin);
      RETURN_IF_ERROR(uploader.send(transfer, begin, n));
      n_done += n;
      // The last is said when all has arrived.
      if (progress && n_done < n_total) progress(n_done, n_total);
    }
  }
  RETURN_IF_ERROR(check(cudaStreamSynchronize(uploader.stream()), "copying weights"));
  if (progress) progress(n_total, n_total);
  return {};
}

}  // namespace

float scale_up_for(float largest) {
  if (!(largest > 0)) return 1.0F;
  return std::ldexp(1.0F, std::clamp(3 - std::ilogb(largest), -14, 15));
}

int64_t weight_bytes_on_device(const model::Model& model, backend::Precision precision) {
  return Plan(model, precision, nullptr).n_byte();
}

Result<std::unique_ptr<Weights>> load_weights(const model::Model& model, backend::Precision precision, int device,
                                              int n_thread, const backend::LoadProgress& progress) {
  RETURN_IF_ERROR(check(cudaSetDevice(device), "choosing the device"));
  ASSIGN_OR_RETURN(auto memory,
                   DeviceBuffer<uint8_t>::allocate(weight_bytes_on_device(model, precision), "the weights"));
  Plan plan(model, precision, memory.data());
  ASSIGN_OR_RETURN(const auto uploader, Uploader::create(n_thread, plan.largest()));
  std::vector<uint32_t> largest(static_cast<size_t>(plan.n_largest()));
  const size_t largest_bytes = largest.size() * sizeof(uint32_t);
  RETURN_IF_ERROR(check(cudaMemsetAsync(plan.largest(), 0, largest_bytes, uploader->stream()), "copying weights"));
  RETURN_IF_ERROR(send_all(*uploader, plan, progress));
  RETURN_IF_ERROR(check(cudaMemcpy(largest.data(), plan.largest(), largest_bytes, cudaMemcpyDeviceToHost),
                        "reading the scales back"));
  RETURN_IF_ERROR(model.file->check_intact());
  plan.set_scales(largest);
  auto weights = plan.take_weights();
  weights->memory = std::move(memory);
  return weights;
}

}  // namespace tercet::cuda
