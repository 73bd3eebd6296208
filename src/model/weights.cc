#include "model/weights.h"

#include <string>
#include <unordered_set>

namespace tercet::model {
namespace {

// Finds tensors by name, checks their shapes, and remembers which were asked for.
class Loader {
 public:
  explicit Loader(const gguf::File& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  // dims as in GGUF: [cols, rows] or [cols, rows, n_mat]
  Result<QTensor> matrix(const std::string& name, std::initializer_list<int64_t> dims) {
    ASSIGN_OR_RETURN(const gguf::TensorInfo* info, find(name, dims));
    ASSIGN_OR_RETURN(const quant::Format* format, runnable(*info));
    QTensor tensor{format, info->data.data(), 1, 1, 1};
    const int64_t* d = dims.begin();
    tensor.cols = d[0];
    tensor.rows = d[1];
    if (dims.size() > 2) tensor.n_mat = d[2];
    return tensor;
  }

  // A norm's weights, expanded: they are small, and a block format would ruin them.
  Result<std::vector<float>> norm(const std::string& name, int64_t n) {
    ASSIGN_OR_RETURN(const gguf::TensorInfo* info, find(name, {n}));
    ASSIGN_OR_RETURN(const quant::Format* format, runnable(*info));
    if (format->block_size != 1)
      return error(Code::kUnsupported, "{}: tensor '{}' is {}, want F32, F16 or BF16", file_.path(), name,
                   format->name);
    std::vector<float> values(static_cast<size_t>(n));
    format->dequantize(values.data(), info->data.data(), n);
    return values;
  }

  // A tensor that nobody asked for would have changed the answer: a bias, a shared expert.
  Status check_all_used() const {
    for (const gguf::TensorInfo& info : file_.tensors())
      if (!used_.contains(info.name))
        return error(Code::kUnsupported, "{}: tensor '{}' is unknown, want only those of a qwen3moe model",
                     file_.path(), info.name);
    return {};
  }

 private:
  Result<const gguf::TensorInfo*> find(const std::string& name, std::initializer_list<int64_t> dims) {
    const gguf::TensorInfo* info = file_.find_tensor(name);
    if (info == nullptr)
      return error(Code::kCorrupt, "{}: tensor '{}' is missing, want [{}]", file_.path(), name, fmt::join(dims, ", "));
    // Trailing dimensions of 1 may be there or not.
    bool same = true;
    for (size_t i = 0; i < std::max(dims.size(), info->dims.size()); ++i) {
      const uint64_t wanted = i < dims.size() ? static_cast<uint64_t>(dims.begin()[i]) : 1;
      const uint64_t seen = i < info->dims.size() ? info->dims[i] : 1;
      same = same && wanted == seen;
    }
    if (!same)
      return error(Code::kCorrupt, "{}: tensor '{}' is [{}], want [{}]", file_.path(), name,
                   fmt::join(info->dims.begin(), info->dims.end(), ", "), fmt::join(dims, ", "));
    used_.insert(info->name);
    return info;
  }

  Result<const quant::Format*> runnable(const gguf::TensorInfo& info) const {
    const quant::Format* format = quant::find_format(info.type);
    if (format != nullptr) return format;
    std::vector<std::string_view> known;
    for (const quant::Format& f : quant::formats()) known.push_back(f.name);
    return error(Code::kUnsupported, "{}: tensor '{}' is {}, want one of {}", file_.path(), info.name,
                 gguf::tensor_type_name(info.type), fmt::join(known, ", "));
  }

  const gguf::File& file_;
  std::unordered_set<std::string_view> used_;
};

Result<LayerSpec> load_layer(Loader& load, const Config& c, int index) {
  const auto name = [&](std::string_view part) { return fmt::format("blk.{}.{}.weight", index, part); };
  LayerSpec layer;
  layer.index = index;
  ASSIGN_OR_RETURN(layer.attn_norm, load.norm(name("attn_norm"), c.d_model));
  ASSIGN_OR_RETURN(layer.wq, load.matrix(name("attn_q"), {c.d_model, c.d_q()}));
  ASSIGN_OR_RETURN(layer.wk, load.matrix(name("attn_k"), {c.d_model, c.d_kv()}));
  ASSIGN_OR_RETURN(layer.wv, load.matrix(name("attn_v"), {c.d_model, c.d_kv()}));
  ASSIGN_OR_RETURN(layer.attn_q_norm, load.norm(name("attn_q_norm"), c.d_head));
  ASSIGN_OR_RETURN(layer.attn_k_norm, load.norm(name("attn_k_norm"), c.d_head));
  ASSIGN_OR_RETURN(layer.wo, load.matrix(name("attn_output"), {c.d_q(), c.d_model}));
  ASSIGN_OR_RETURN(layer.ffn_norm, load.norm(name("ffn_norm"), c.d_model));
  ASSIGN_OR_RETURN(layer.gate_inp, load.matrix(name("ffn_gate_inp"), {c.d_model, c.n_expert}));
  ASSIGN_OR_RETURN(layer.gate_exps, load.matrix(name("ffn_gate_exps"), {c.d_model, c.d_ff, c.n_expert}));
  ASSIGN_OR_RETURN(layer.up_exps, load.matrix(name("ffn_up_exps"), {c.d_model, c.d_ff, c.n_expert}));
  ASSIGN_OR_RETURN(layer.down_exps, load.matrix(name("ffn_down_exps"), {c.d_ff, c.d_model, c.n_expert}));
  return layer;
}

}  // namespace

Result<std::shared_ptr<const Model>> load_model(std::shared_ptr<const gguf::File> file) {
  auto model = std::make_shared<Model>();
  ASSIGN_OR_RETURN(model->config, read_config(*file));
  const Config& c = model->config;
  Loader load(*file);
  ASSIGN_OR_RETURN(model->token_embd, load.matrix("token_embd.weight", {c.d_model, c.n_vocab}));
  for (int i = 0; i < c.n_layer; ++i) {
    ASSIGN_OR_RETURN(LayerSpec layer, load_layer(load, c, i));
    model->layers.push_back(std::move(layer));
  }
  ASSIGN_OR_RETURN(model->output_norm, load.norm("output_norm.weight", c.d_model));
  model->output = model->token_embd;
  if (load.has("output.weight")) {
    ASSIGN_OR_RETURN(model->output, load.matrix("output.weight", {c.d_model, c.n_vocab}));
  }
  RETURN_IF_ERROR(load.check_all_used());
  RETURN_IF_ERROR(file->check_intact());
  model->file = std::move(file);
  return model;
}

int64_t Model::weight_bytes() const {
  int64_t bytes = 0;
  for (const gguf::TensorInfo& info : file->tensors()) bytes += static_cast<int64_t>(info.n_byte);
  return bytes;
}

int64_t Model::active_bytes_per_token() const {
  const auto stack = [](const QTensor& t) { return t.n_mat * t.mat_bytes(); };
  const auto norm = [](const std::vector<float>& w) { return std::ssize(w) * int64_t{sizeof(float)}; };
  int64_t bytes = token_embd.row_bytes() + norm(output_norm) + stack(output);
  for (const LayerSpec& l : layers) {
    bytes += norm(l.attn_norm) + norm(l.attn_q_norm) + norm(l.attn_k_norm) + norm(l.ffn_norm);
    bytes += stack(l.wq) + stack(l.wk) + stack(l.wv) + stack(l.wo) + stack(l.gate_inp);
    bytes += (l.gate_exps.mat_bytes() + l.up_exps.mat_bytes() + l.down_exps.mat_bytes()) * config.n_expert_used;
  }
  return bytes;
}

}  // namespace tercet::model
