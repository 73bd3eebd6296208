#include "model/config.h"

#include <cmath>

namespace tercet::model {
namespace {

constexpr std::string_view kArchitecture = "qwen3moe";

// Above these a file is a mistake or an attack, and buffers of their size would be, too.
constexpr uint32_t kMaxLayer = 1024;
constexpr uint32_t kMaxWidth = 1 << 20;
constexpr uint32_t kMaxHead = 4096;
constexpr uint32_t kMaxHeadWidth = 1024;
constexpr uint32_t kMaxExpert = 4096;
constexpr uint32_t kMaxVocab = 1 << 22;
constexpr uint32_t kMaxContext = 1 << 26;

// Reads keys of one architecture, and names them in full in its errors.
class Reader {
 public:
  explicit Reader(const gguf::File& file) : file_(file) {}

  static std::string key(std::string_view name) { return fmt::format("{}.{}", kArchitecture, name); }

  Result<int> count(std::string_view name, uint32_t most) const {
    ASSIGN_OR_RETURN(const uint32_t value, file_.get_u32(key(name)));
    if (value < 1 || value > most)
      return error(Code::kCorrupt, "{}: {} is {}, want 1..{}", file_.path(), key(name), value, most);
    return static_cast<int>(value);
  }

  Result<float> positive(std::string_view name, float most) const {
    ASSIGN_OR_RETURN(const float value, file_.get_f32(key(name)));
    if (!(value > 0) || !(value <= most))
      return error(Code::kCorrupt, "{}: {} is {}, want more than 0 and at most {}", file_.path(), key(name), value,
                   most);
    return value;
  }

  // A key that would change the arithmetic if it were there with another value.
  Status only(std::string_view name, float wanted) const {
    ASSIGN_OR_RETURN(const float value, file_.get_f32_or(key(name), wanted));
    if (value != wanted)
      return error(Code::kUnsupported, "{}: {} is {}, want {} or no such key", file_.path(), key(name), value, wanted);
    return {};
  }

 private:
  const gguf::File& file_;
};

Status check_architecture(const gguf::File& file) {
  ASSIGN_OR_RETURN(const std::string_view architecture, file.get_string("general.architecture"));
  if (architecture != kArchitecture) {
    const gguf::Value seen{gguf::ValueType::kString, architecture};
    return error(Code::kUnsupported, "{}: general.architecture is {}, want one that Tercet runs: {}", file.path(),
                 seen.describe(), kArchitecture);
  }
  return {};
}

// What would make this another computation than the one that stages.md describes.
Status check_variants(const gguf::File& file, const Reader& read, const Config& c) {
  ASSIGN_OR_RETURN(const uint32_t d_value, file.get_u32_or(Reader::key("attention.value_length"), uint32_t(c.d_head)));
  if (static_cast<int>(d_value) != c.d_head)
    return error(Code::kUnsupported, "{}: {} is {}, want the key length {}", file.path(),
                 Reader::key("attention.value_length"), d_value, c.d_head);
  ASSIGN_OR_RETURN(const uint32_t d_rope, file.get_u32_or(Reader::key("rope.dimension_count"), uint32_t(c.d_head)));
  if (static_cast<int>(d_rope) != c.d_head)
    return error(Code::kUnsupported, "{}: {} is {}, want the key length {}", file.path(),
                 Reader::key("rope.dimension_count"), d_rope, c.d_head);
  ASSIGN_OR_RETURN(const std::string_view scaling, file.get_string_or(Reader::key("rope.scaling.type"), "none"));
  if (scaling != "none")
    return error(Code::kUnsupported, "{}: {} is {}, want none", file.path(), Reader::key("rope.scaling.type"),
                 gguf::Value{gguf::ValueType::kString, scaling}.describe());
  RETURN_IF_ERROR(read.only("rope.scale_linear", 1.0F));
  RETURN_IF_ERROR(read.only("rope.scaling.factor", 1.0F));
  RETURN_IF_ERROR(read.only("expert_weights_scale", 1.0F));
  ASSIGN_OR_RETURN(const bool renormalise, file.get_bool_or(Reader::key("expert_weights_norm"), true));
  if (!renormalise)
    return error(Code::kUnsupported, "{}: {} is false, want true", file.path(), Reader::key("expert_weights_norm"));
  return {};
}

// The vocabulary is the list of tokens; a model made for measuring may have only its size.
Result<int> read_vocab_size(const gguf::File& file, const Reader& read) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const gguf::Value* tokens = file.find(kTokens);
  if (tokens == nullptr && file.find(Reader::key("vocab_size")) == nullptr)
    return error(Code::kCorrupt, "{}: {} is missing, want the tokens, or their number as {}", file.path(), kTokens,
                 Reader::key("vocab_size"));
  if (tokens == nullptr) return read.count("vocab_size", kMaxVocab);
  const auto* array = std::get_if<gguf::Array>(&tokens->data);
  if (array == nullptr || array->empty() || array->size() > kMaxVocab)
    return error(Code::kCorrupt, "{}: {} is {}, want an array of 1..{} strings", file.path(), kTokens,
                 tokens->describe(), kMaxVocab);
  return static_cast<int>(array->size());
}

}  // namespace

Result<Config> read_config(const gguf::File& file) {
  RETURN_IF_ERROR(check_architecture(file));
  const Reader read(file);
  Config c;
  c.architecture = kArchitecture;
  ASSIGN_OR_RETURN(const std::string_view name, file.get_string_or("general.name", ""));
  c.name = name.empty() ? file.path().substr(file.path().rfind('/') + 1) : std::string(name);
  ASSIGN_OR_RETURN(c.n_layer, read.count("block_count", kMaxLayer));
  ASSIGN_OR_RETURN(c.n_ctx_train, read.count("context_length", kMaxContext));
  ASSIGN_OR_RETURN(c.d_model, read.count("embedding_length", kMaxWidth));
  ASSIGN_OR_RETURN(c.n_head, read.count("attention.head_count", kMaxHead));
  ASSIGN_OR_RETURN(c.n_head_kv, read.count("attention.head_count_kv", kMaxHead));
  ASSIGN_OR_RETURN(c.d_head, read.count("attention.key_length", kMaxHeadWidth));
  ASSIGN_OR_RETURN(c.d_ff, read.count("expert_feed_forward_length", kMaxWidth));
  ASSIGN_OR_RETURN(c.n_expert, read.count("expert_count", kMaxExpert));
  ASSIGN_OR_RETURN(c.n_expert_used, read.count("expert_used_count", kMaxExpert));
  ASSIGN_OR_RETURN(c.rms_eps, read.positive("attention.layer_norm_rms_epsilon", 1.0F));
  ASSIGN_OR_RETURN(c.rope_base, read.positive("rope.freq_base", 1e12F));
  ASSIGN_OR_RETURN(c.n_vocab, read_vocab_size(file, read));

  if (c.n_expert_used > c.n_expert)
    return error(Code::kCorrupt, "{}: {} is {}, want at most {}, which is {}", file.path(),
                 Reader::key("expert_used_count"), c.n_expert_used, Reader::key("expert_count"), c.n_expert);
  if (c.n_head % c.n_head_kv != 0)
    return error(Code::kCorrupt, "{}: {} is {}, want a multiple of {}, which is {}", file.path(),
                 Reader::key("attention.head_count"), c.n_head, Reader::key("attention.head_count_kv"), c.n_head_kv);
  if (c.d_head % 2 != 0)
    return error(Code::kCorrupt, "{}: {} is {}, want an even number", file.path(), Reader::key("attention.key_length"),
                 c.d_head);
  if (c.d_q() > static_cast<int>(kMaxWidth))
    return error(Code::kCorrupt, "{}: {} heads of {} elements, want at most {} together", file.path(), c.n_head,
                 c.d_head, kMaxWidth);
  RETURN_IF_ERROR(check_variants(file, read, c));
  return c;
}

}  // namespace tercet::model
