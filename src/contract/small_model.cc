#include "contract/small_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "gguf/writer.h"
#include "quant/half.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace tercet::contract {
namespace {

using quant::Type;

// Values that are really drawn for a matrix; where it has more, rows are windows into those, each at a random block.
constexpr int64_t kDrawn = 1 << 17;

class Maker {
 public:
  Maker(gguf::Writer& writer, uint32_t seed, bool adversarial)
      : writer_(writer), random_(seed), adversarial_(adversarial) {}

  // `dims` in GGUF's order. The last row is NaN if poisoned.
  void matrix(const std::string& name, Type type, std::vector<int64_t> dims, double sigma, bool poisoned = false) {
    const quant::Format& format = quant::format_of(type);
    const int64_t cols = dims[0];
    int64_t n_row = 1;
    for (size_t i = 1; i < dims.size(); ++i) n_row *= dims[i];
    const int64_t row_bytes = cols / format.block_size * format.block_bytes;
    std::vector<std::byte>& bytes = data_.emplace_back(static_cast<size_t>(n_row * row_bytes));
    const int64_t n_drawn = std::min(n_row, std::max<int64_t>(2, kDrawn / cols));
    draw(format, bytes.data(), n_drawn * cols, sigma);
    const int64_t n_window = n_drawn * cols / format.block_size - cols / format.block_size + 1;
    for (int64_t row = n_drawn; row < n_row; ++row) {
      const int64_t block = static_cast<int64_t>(random_() % static_cast<uint32_t>(n_window));
      std::memcpy(bytes.data() + row * row_bytes, bytes.data() + block * format.block_bytes,
                  static_cast<size_t>(row_bytes));
    }
    if (adversarial_)
      for (int64_t row = 0; row < n_row; ++row) make_hostile(format, bytes.data() + row * row_bytes, cols, sigma, row);
    if (poisoned) {
      const std::vector<float> nan(static_cast<size_t>(cols), std::numeric_limits<float>::quiet_NaN());
      format.quantize(bytes.data() + (n_row - 1) * row_bytes, nan.data(), cols / format.block_size);
    }
    add(name, type, dims);
  }

  // The rows of a matrix of floats in pairs: 2i and 2i + 1 are the same.
  void pair_rows(int64_t cols) {
    std::vector<std::byte>& bytes = data_.back();
    const auto row_bytes = static_cast<size_t>(cols) * sizeof(float);
    for (size_t at = 0; at + 2 * row_bytes <= bytes.size(); at += 2 * row_bytes)
      std::memcpy(bytes.data() + at + row_bytes, bytes.data() + at, row_bytes);
  }

  void norm(const std::string& name, int64_t n, double mean) {
    std::vector<float> values(static_cast<size_t>(n));
    std::normal_distribution<float> normal(static_cast<float>(mean), 0.1F);
    for (float& value : values) value = normal(random_);
    std::vector<std::byte>& bytes = data_.emplace_back(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    add(name, Type::kF32, {n});
  }

 private:
  void draw(const quant::Format& format, std::byte* to, int64_t n, double sigma) {
    std::vector<float> values(static_cast<size_t>(n));
    std::normal_distribution<float> normal(0.0F, static_cast<float>(sigma));
    for (float& value : values) value = normal(random_);
    format.quantize(to, values.data(), n / format.block_size);
  }

  // One row in seven of each of these; the others stay as they were drawn.
  void make_hostile(const quant::Format& format, std::byte* row, int64_t cols, double sigma, int64_t turn) {
    std::vector<float> values(static_cast<size_t>(cols));
    const auto small = static_cast<float>(sigma);
    std::normal_distribution<float> normal(0.0F, small);
    for (float& value : values) value = normal(random_);
    switch (turn % 7) {
      case 0: return;
      case 1: std::ranges::fill(values, 0.0F); break;         // blocks whose scale is zero
      case 2: values[values.size() / 3] = 30 * small; break;  // one value that takes all of a block's range
      case 3:                                                 // both ends of the range, in turns
        for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? small : -small;
        break;
      case 4:  // scales that are subnormal halves
        for (float& value : values) value *= 1e-4F;
        break;
      case 5: std::ranges::fill(values, small); break;                           // nothing but a minimum
      default: return raw_blocks(format, row, cols / format.block_size, sigma);  // any bits, and scales of both signs
    }
    format.quantize(row, values.data(), cols / format.block_size);
  }

  // Random bits with a scale that keeps the values near sigma; only the formats of blocks have such.
  void raw_blocks(const quant::Format& format, std::byte* row, int64_t n_block, double sigma) {
    const auto half = [&](double value) { return quant::float_to_half(static_cast<float>(value)); };
    const auto fill = [&](auto block, auto set_scale) {
      for (int64_t b = 0; b < n_block; ++b) {
        std::array<std::byte, sizeof(block)> bits;
        for (std::byte& byte : bits) byte = static_cast<std::byte>(random_());
        block = std::bit_cast<decltype(block)>(bits);
        set_scale(block);
        std::memcpy(row + b * static_cast<int64_t>(sizeof(block)), &block, sizeof(block));
      }
    };
    // By the root mean square of what multiplies the scale.
    if (format.type == Type::kQ6_K) fill(quant::BlockQ6K{}, [&](auto& b) { b.d = half(sigma / 1370); });
    if (format.type == Type::kQ8_0) fill(quant::BlockQ8_0{}, [&](auto& b) { b.d = half(-sigma / 74); });
    if (format.type == Type::kQ4_K)
      fill(quant::BlockQ4K{}, [&](auto& b) {
        b.d = half(sigma / 320);
        b.dmin = half(sigma / 37);
      });
  }

  void add(const std::string& name, Type type, const std::vector<int64_t>& dims) {
    writer_.add_tensor(name, static_cast<uint32_t>(type), {dims.begin(), dims.end()}, data_.back());
  }

  gguf::Writer& writer_;
  std::mt19937 random_;
  bool adversarial_;
  std::deque<std::vector<std::byte>> data_;  // the writer looks into them
};

void add_metadata(gguf::Writer& writer, const SmallModel& spec) {
  writer.add("general.architecture", "qwen3moe");
  writer.add("general.name", spec.name);
  const auto count = [&](const char* key, int value) {
    writer.add(std::string("qwen3moe.") + key, static_cast<uint32_t>(value));
  };
  count("block_count", spec.n_layer);
  count("context_length", 1 << 20);
  count("embedding_length", spec.d_model);
  count("attention.head_count", spec.n_head);
  count("attention.head_count_kv", spec.n_head_kv);
  count("attention.key_length", spec.d_head);
  count("attention.value_length", spec.d_head);
  count("expert_feed_forward_length", spec.d_ff);
  count("expert_count", spec.n_expert);
  count("expert_used_count", spec.n_expert_used);
  count("vocab_size", spec.n_vocab);
  writer.add("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6F);
  writer.add("qwen3moe.rope.freq_base", 1e6F);
}

void add_layer(Maker& make, const SmallModel& spec, int layer) {
  const auto name = [layer](const char* part) { return "blk." + std::to_string(layer) + "." + part + ".weight"; };
  const Formats& f = spec.formats;
  const int64_t d = spec.d_model;
  const int64_t d_q = int64_t{spec.n_head} * spec.d_head;
  const int64_t d_kv = int64_t{spec.n_head_kv} * spec.d_head;
  const double in = 1 / std::sqrt(static_cast<double>(d));
  make.norm(name("attn_norm"), d, 1);
  make.matrix(name("attn_q"), f.q, {d, d_q}, in);
  make.matrix(name("attn_k"), f.k, {d, d_kv}, in);
  make.matrix(name("attn_v"), f.v, {d, d_kv}, in);
  make.norm(name("attn_q_norm"), spec.d_head, 1);
  make.norm(name("attn_k_norm"), spec.d_head, 2);
  make.matrix(name("attn_output"), f.o, {d_q, d}, 1 / std::sqrt(static_cast<double>(d_q)));
  make.norm(name("ffn_norm"), d, 1);
  make.matrix(name("ffn_gate_inp"), f.router, {d, spec.n_expert}, in);
  if (spec.equal_router_rows) make.pair_rows(d);
  make.matrix(name("ffn_gate_exps"), f.gate, {d, spec.d_ff, spec.n_expert}, in);
  make.matrix(name("ffn_up_exps"), f.up, {d, spec.d_ff, spec.n_expert}, in);
  make.matrix(name("ffn_down_exps"), f.down, {spec.d_ff, d, spec.n_expert},
              1 / std::sqrt(static_cast<double>(spec.d_ff)));
}

}  // namespace

Result<std::shared_ptr<const model::Model>> make_small_model(const SmallModel& spec, uint32_t seed) {
  gguf::Writer writer;
  add_metadata(writer, spec);
  Maker make(writer, seed, spec.adversarial);
  make.matrix("token_embd.weight", spec.formats.token_embd, {spec.d_model, spec.n_vocab}, spec.embedding,
              poison_token(spec) >= 0);
  for (int layer = 0; layer < spec.n_layer; ++layer) add_layer(make, spec, layer);
  make.norm("output_norm.weight", spec.d_model, 1);
  if (!spec.tied)
    make.matrix("output.weight", spec.formats.output, {spec.d_model, spec.n_vocab},
                1 / std::sqrt(static_cast<double>(spec.d_model)));

  // A file looks into its bytes, and the model holds the file: both go together.
  struct Held {
    std::vector<std::byte> bytes;
    std::shared_ptr<const gguf::File> file;
  };
  const auto held = std::make_shared<Held>();
  ASSIGN_OR_RETURN(held->bytes, writer.to_bytes());
  ASSIGN_OR_RETURN(held->file, gguf::File::from_memory(held->bytes, spec.name + ".gguf"));
  return model::load_model(std::shared_ptr<const gguf::File>(held, held->file.get()));
}

}  // namespace tercet::contract
