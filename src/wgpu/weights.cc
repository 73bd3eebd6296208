#include "wgpu/weights.h"

#include <algorithm>

#include "base/check.h"
#include "base/thread_pool.h"
#include "wgpu/repack.h"

namespace tercet::wgpu {
namespace {

using model::QTensor;

constexpr int64_t kChunk = int64_t{16} << 20;  // bytes that are rearranged, then handed to the queue
constexpr WGPUBufferUsage kUsage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst;

// Of one plane of n_row rows; planes begin at whole words of 16 bytes.
int64_t plane_size(const PlaneBytes& p, int plane, int64_t n_row, int64_t cols) {
  const auto i = static_cast<size_t>(plane);
  return n_row * (cols / p.columns[i]) * p.bytes[i];
}

int64_t part_bytes(const PlaneBytes& p, int64_t n_row, int64_t cols) {
  int64_t sum = 0;
  for (int i = 0; i < p.n_plane; ++i) sum += (plane_size(p, i, n_row, cols) + 15) / 16 * 16;
  return sum;
}

int64_t tensor_bytes(const QTensor& w) { return part_bytes(plane_bytes(w.format->type), w.n_mat * w.rows, w.cols); }

class Loader {
 public:
  Loader(Context& context, const model::Model& model, int n_thread, uint64_t max_binding,
         const backend::LoadProgress& progress)
      : context_(context),
        progress_(progress),
        pool_(std::max(1, n_thread)),
        max_binding_(static_cast<int64_t>(std::min<uint64_t>(max_binding, context.limits().maxBufferSize))),
        n_total_(model.weight_bytes()) {}

  // `together`: a stack whose parts must hold the same matrices as this one's, or null.
  Status load(std::string_view what, const QTensor& from, Tensor& to, const QTensor* together = nullptr);
  Status flush();

 private:
  Result<int64_t> rows_a_part(std::string_view what, const QTensor& from) const;
  Status load_part(std::string_view what, const QTensor& from, Part& part);

  Context& context_;
  const backend::LoadProgress& progress_;
  ThreadPool pool_;
  const int64_t max_binding_;
  const int64_t n_total_;
  int64_t n_done_ = 0;
  int64_t n_queued_ = 0;
  std::vector<std::byte> staging_;
};

Result<int64_t> Loader::rows_a_part(std::string_view what, const QTensor& from) const {
  const PlaneBytes p = plane_bytes(from.format->type);
  // Even, so that planes of halves are cut between words.
  const int64_t least = from.n_mat > 1 ? from.rows : std::min<int64_t>(2, from.rows);
  const int64_t n_all = from.n_mat * from.rows;
  int64_t n = n_all / least;
  while (n > 1 && part_bytes(p, n * least, from.cols) > max_binding_) n = (n + 1) / 2;
  if (part_bytes(p, n * least, from.cols) > max_binding_)
    return error(Code::kUnsupported, "wgpu: {}: {}: {} bytes for {}, want at most {} (maxStorageBufferBindingSize)",
                 context_.name(), what, part_bytes(p, least, from.cols), from.n_mat > 1 ? "a matrix" : "two rows",
                 max_binding_);
  return part_bytes(p, n_all, from.cols) <= max_binding_ ? n_all : n * least;
}

Status Loader::load(std::string_view what, const QTensor& from, Tensor& to, const QTensor* together) {
  if (from.cols % kUnit != 0)
    return error(Code::kUnsupported, "wgpu: {}: {} columns, want a multiple of {}", what, from.cols, kUnit);
  to = {from.format->type, from.rows, from.cols, from.n_mat, {}};
  ASSIGN_OR_RETURN(int64_t n_row, rows_a_part(what, from));
  if (together != nullptr) {
    ASSIGN_OR_RETURN(const int64_t other, rows_a_part(what, *together));
    n_row = std::min(n_row, other);
  }
  const int64_t n_all = from.n_mat * from.rows;
  for (int64_t first = 0; first < n_all; first += n_row) {
    Part part;
    part.first_row = first;
    part.n_row = std::min(n_row, n_all - first);
    RETURN_IF_ERROR(load_part(what, from, part));
    to.parts.push_back(std::move(part));
  }
  return {};
}

Status Loader::load_part(std::string_view what, const QTensor& from, Part& part) {
  const PlaneBytes p = plane_bytes(from.format->type);
  ASSIGN_OR_RETURN(part.buffer,
                   context_.make_buffer(static_cast<uint64_t>(part_bytes(p, part.n_row, from.cols)), kUsage, what));
  std::array<int64_t, 4> base = {};
  int64_t end = 0;
  for (int i = 0; i < p.n_plane; ++i) {
    base[static_cast<size_t>(i)] = end;
    if (i > 0) part.planes[static_cast<size_t>(i) - 1] = static_cast<uint32_t>(end / 16);
    end += (plane_size(p, i, part.n_row, from.cols) + 15) / 16 * 16;
  }
  const int64_t step = std::max<int64_t>(2, kChunk / from.row_bytes() / 2 * 2);
  for (int64_t row = 0; row < part.n_row; row += step) {
    const int64_t n = std::min(step, part.n_row - row);
    std::array<int64_t, 5> at = {};
    for (int i = 0; i < p.n_plane; ++i)
      at[static_cast<size_t>(i) + 1] = at[static_cast<size_t>(i)] + (plane_size(p, i, n, from.cols) + 15) / 16 * 16;
    staging_.assign(static_cast<size_t>(at[static_cast<size_t>(p.n_plane)]), std::byte{0});
    pool_.parallel_for(n, 8, [&](int64_t begin, int64_t stop, int) {
      std::array<std::byte*, 4> planes = {};
      for (int i = 0; i < p.n_plane; ++i)
        planes[static_cast<size_t>(i)] =
            staging_.data() + at[static_cast<size_t>(i)] + plane_size(p, i, begin, from.cols);
      repack(from.format->type, from.row(part.first_row + row + begin), (stop - begin) * from.cols, planes);
    });
    for (int i = 0; i < p.n_plane; ++i) {
      const auto k = static_cast<size_t>(i);
      const int64_t n_byte = (plane_size(p, i, n, from.cols) + 3) / 4 * 4;
      context_.write(part.buffer.get(), static_cast<uint64_t>(base[k] + plane_size(p, i, row, from.cols)),
                     staging_.data() + at[k], static_cast<size_t>(n_byte));
    }
    n_queued_ += n * from.row_bytes();
    n_done_ += n * from.row_bytes();
    if (n_queued_ >= 4 * kChunk) RETURN_IF_ERROR(flush());
    if (progress_) progress_(std::min(n_done_, n_total_), n_total_);
  }
  return {};
}

// The queue keeps a copy of what it was handed until something is submitted.
Status Loader::flush() {
  n_queued_ = 0;
  return context_.flush();
}

uint64_t place(uint64_t& end, size_t n_value) {
  const uint64_t at = end;
  end += (n_value * sizeof(float) + 255) / 256 * 256;
  return at;
}

Status load_norms(Context& context, const model::Model& model, Norms& to) {
  uint64_t end = 0;
  std::vector<std::pair<uint64_t, std::vector<float>>> all;
  const auto put = [&](const std::vector<float>& values) {
    all.emplace_back(place(end, values.size()), values);
    return all.back().first;
  };
  const auto put_planar = [&](const std::vector<float>& values) {
    std::vector<float> planes(values.size());
    const size_t n_unit = values.size() / kUnit;
    for (size_t i = 0; i < values.size(); ++i) planes[4 * (i / 4 % 8 * n_unit + i / kUnit) + i % 4] = values[i];
    return put(planes);
  };
  for (const model::LayerSpec& layer : model.layers)
    to.layers.push_back({put(layer.attn_norm), put(layer.attn_q_norm), put(layer.attn_k_norm), put(layer.ffn_norm),
                         put_planar(layer.attn_norm), put_planar(layer.ffn_norm)});
  to.output = put(model.output_norm);
  ASSIGN_OR_RETURN(to.buffer, context.make_buffer(end, kUsage, "norms"));
  for (const auto& [at, values] : all) context.write(to.buffer.get(), at, values.data(), values.size() * sizeof(float));
  return {};
}

bool is_tied(const model::Model& model) { return model.output.data == model.token_embd.data; }

}  // namespace

int64_t weight_bytes_on_device(const model::Model& model) {
  int64_t sum = tensor_bytes(model.token_embd) + (is_tied(model) ? 0 : tensor_bytes(model.output));
  for (const model::LayerSpec& w : model.layers) {
    for (const QTensor* t : {&w.wq, &w.wk, &w.wv, &w.wo, &w.gate_inp, &w.gate_exps, &w.up_exps, &w.down_exps})
      sum += tensor_bytes(*t);
    sum += static_cast<int64_t>(sizeof(float) * 4 * (w.attn_norm.size() + w.ffn_norm.size()));
  }
  return sum;
}

Result<std::unique_ptr<Weights>> load_weights(Context& context, const model::Model& model, int n_thread,
                                              uint64_t max_binding, const backend::LoadProgress& progress) {
  auto out = std::make_unique<Weights>();
  Loader loader(context, model, n_thread, max_binding, progress);
  RETURN_IF_ERROR(load_norms(context, model, out->norms));
  RETURN_IF_ERROR(loader.load("token_embd", model.token_embd, out->token_embd));
  out->layers.resize(model.layers.size());
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const model::LayerSpec& from = model.layers[i];
    LayerWeights& to = out->layers[i];
    const auto name = [&](const char* what) { return fmt::format("blk.{}.{}", i, what); };
    RETURN_IF_ERROR(loader.load(name("attn_q"), from.wq, to.wq));
    RETURN_IF_ERROR(loader.load(name("attn_k"), from.wk, to.wk));
    RETURN_IF_ERROR(loader.load(name("attn_v"), from.wv, to.wv));
    RETURN_IF_ERROR(loader.load(name("attn_output"), from.wo, to.wo));
    RETURN_IF_ERROR(loader.load(name("ffn_gate_inp"), from.gate_inp, to.gate_inp));
    RETURN_IF_ERROR(loader.load(name("ffn_gate_exps"), from.gate_exps, to.gate_exps, &from.up_exps));
    RETURN_IF_ERROR(loader.load(name("ffn_up_exps"), from.up_exps, to.up_exps, &from.gate_exps));
    RETURN_IF_ERROR(loader.load(name("ffn_down_exps"), from.down_exps, to.down_exps));
  }
  if (!is_tied(model)) RETURN_IF_ERROR(loader.load("output", model.output, out->output));
  RETURN_IF_ERROR(loader.flush());
  RETURN_IF_ERROR(model.file->check_intact());
  if (progress) progress(model.weight_bytes(), model.weight_bytes());
  return out;
}

}  // namespace tercet::wgpu
