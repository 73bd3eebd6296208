// What comes from outside: model files, and texts.
#include <cmath>
#include <random>

#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "quant/format.h"
#include "trace/measure.h"

namespace tercet::contract {
namespace {

constexpr uint32_t kFilesSeed = 20260703;

struct Image {
  std::vector<std::byte> bytes;
  std::vector<std::byte> tensor;  // what its one tensor holds
};

Result<Image> small_image() {
  Image out;
  gguf::Writer writer;
  writer.add("general.architecture", "none");
  writer.add("count", uint32_t{7});
  writer.add("eps", 1e-6F);
  const quant::Format& format = quant::format_of(quant::Type::kQ8_0);
  out.tensor.resize(static_cast<size_t>(format.block_bytes) * 16);  // 544 bytes: no padding behind it
  for (size_t i = 0; i < out.tensor.size(); ++i) out.tensor[i] = static_cast<std::byte>(i * 37);
  writer.add_tensor("w", static_cast<uint32_t>(format.type), {64, 8}, out.tensor);
  ASSIGN_OR_RETURN(out.bytes, writer.to_bytes());
  return out;
}

int64_t count_lost(const gguf::File& file, const Image& image) {
  int64_t n = 0;
  const auto count = file.get_u32("count");
  const auto eps = file.get_f32("eps");
  const auto name = file.get_string("general.architecture");
  n += count && *count == 7 ? 0 : 1;
  n += eps && *eps == 1e-6F ? 0 : 1;
  n += name && *name == "none" ? 0 : 1;
  const gguf::TensorInfo* tensor = file.find_tensor("w");
  n += tensor != nullptr && std::ranges::equal(tensor->data, image.tensor) ? 0 : 1;
  return n;
}

// What quantizing normal values loses.
double quantization_error(const quant::Format& format) {
  std::mt19937 random(kFilesSeed);
  std::normal_distribution<float> normal;
  std::vector<float> values(4096), back(4096);
  for (float& value : values) value = normal(random);
  const int64_t n_block = std::ssize(values) / format.block_size;
  std::vector<std::byte> blocks(static_cast<size_t>(n_block * format.block_bytes));
  format.quantize(blocks.data(), values.data(), n_block);
  format.dequantize(back.data(), blocks.data(), n_block);
  return distance(back, values);
}

std::vector<std::string> odd_texts() {
  std::vector<std::string> out = {
      "", " ", "\n\n\t", "a", "def f(x):\n    return x\n", "日本語 naïve 🙂", "\xff\xfe\x80", "\xe6\x97"};
  std::mt19937 random(kFilesSeed);
  for (int i = 0; i < 64; ++i) {
    std::string text(random() % 60, '\0');
    for (char& c : text) c = static_cast<char>(random() % (i % 2 == 0 ? 128 : 256));
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace

// Figures: `accepted_cuts`, lengths at which a file that was cut off is taken for whole; `lost_values`, of a file that was
// written and read; `error_FORMAT`, the relative L2 that quantizing normal values costs.
Result<Evidence> check_gguf(const Context&) {
  Evidence out;
  ASSIGN_OR_RETURN(const Image image, small_image());
  int64_t accepted = 0;
  for (size_t n = 0; n < image.bytes.size(); ++n)
    accepted += gguf::File::from_memory(std::span(image.bytes).first(n), "cut") ? 1 : 0;
  ASSIGN_OR_RETURN(const auto file, gguf::File::from_memory(image.bytes, "whole"));
  out.add("accepted_cuts", {}, static_cast<double>(accepted), fmt::format("{} cuts", image.bytes.size()));
  out.add("lost_values", {}, static_cast<double>(count_lost(*file, image)));
  out.add("error_q8_0", {}, quantization_error(quant::format_of(quant::Type::kQ8_0)));
  out.add("error_q6_k", {}, quantization_error(quant::format_of(quant::Type::kQ6_K)));
  out.add("error_q4_k", {}, quantization_error(quant::format_of(quant::Type::kQ4_K)));
  return out;
}

// Figures: `wrong_texts` that do not come back byte for byte (odd ones, in NFC or no UTF-8 at all, and the shipped one);
// `wrong_streams`, decoded a token at a time into another text; `accepted_ids` that are none.
Result<Evidence> check_tokenizer(const Context& context) {
  Evidence out;
  const tokenizer::Tokenizer* t = context.world.tokenizer;
  if (t == nullptr) {
    out.skipped = "the model has no vocabulary";
    return out;
  }
  int64_t wrong_texts = 0;
  int64_t wrong_streams = 0;
  ASSIGN_OR_RETURN(const Text shipped, shipped_text(context.world, 2000));
  ASSIGN_OR_RETURN(const std::string text, t->decode(shipped.ids));
  std::vector<std::string> texts = odd_texts();
  texts.push_back(text);
  for (const std::string& wanted : texts) {
    const auto ids = t->encode(wanted, false);
    const auto seen = t->decode(ids);
    wrong_texts += seen && *seen == wanted ? 0 : 1;
    tokenizer::StreamDecoder decoder(*t);
    std::string streamed;
    for (const TokenId id : ids) streamed += decoder.push(id).value_or("");
    streamed += decoder.finish();
    wrong_streams += seen && streamed == *seen ? 0 : 1;
  }
  int64_t accepted = 0;
  for (const TokenId id : {-1, t->vocab_size(), INT32_MAX, INT32_MIN}) accepted += t->token_view(id) ? 1 : 0;
  out.add("wrong_texts", {}, static_cast<double>(wrong_texts), fmt::format("{} texts", texts.size()));
  out.add("wrong_streams", {}, static_cast<double>(wrong_streams));
  out.add("accepted_ids", {}, static_cast<double>(accepted));
  return out;
}

}  // namespace tercet::contract
