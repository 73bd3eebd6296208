#include "model/synthetic.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "quant/format.h"

namespace tercet::model {
namespace {

using quant::Type;

struct Spec {
  std::string_view name;
  uint32_t n_layer, d_model, n_head, n_head_kv, d_head, n_expert, n_expert_used, d_ff_expert, d_ff, n_vocab, n_ctx;
  uint32_t n_pool_block;  // of each format
};

// In the order of SyntheticSize.
constexpr std::array<Spec, 3> kSpecs = {{
    {"tiny", 4, 256, 4, 2, 128, 8, 2, 256, 1024, 151936, 4096, 1 << 15},
    {"mid", 6, 2048, 32, 4, 128, 128, 8, 768, 6144, 151936, 32768, 1 << 17},
    {"full", 48, 2048, 32, 4, 128, 128, 8, 768, 6144, 151936, 262144, 1 << 18},
}};

const Spec& spec_of(SyntheticSize size) { return kSpecs[static_cast<size_t>(size)]; }

constexpr float kWeightSigma = 0.02F;
constexpr float kNormSigma = 0.1F;

struct PlannedTensor {
  std::string name;
  Type type;
  std::vector<uint64_t> dims;  // GGUF's order: the contiguous one first

  uint64_t n_mat() const { return dims.size() == 3 ? dims[2] : 1; }
  bool is_norm() const { return dims.size() == 1; }
};

// llama.cpp's rule for which layers of a Q4_K_M file keep attn_v and ffn_down in Q6_K.
constexpr bool use_more_bits(uint32_t layer, uint32_t n_layer) {
  return layer < n_layer / 8 || layer >= 7 * n_layer / 8 || (layer - n_layer / 8) % 3 == 2;
}

void plan_layer(std::vector<PlannedTensor>& out, const Spec& spec, uint32_t layer) {
  const uint64_t d_model = spec.d_model;
  const uint64_t d_q = uint64_t{spec.n_head} * spec.d_head;
  const uint64_t d_kv = uint64_t{spec.n_head_kv} * spec.d_head;
  const Type more = use_more_bits(layer, spec.n_layer) ? Type::kQ6_K : Type::kQ4_K;
  const auto add = [&](std::string_view name, Type type, std::vector<uint64_t> dims) {
    out.push_back({fmt::format("blk.{}.{}.weight", layer, name), type, std::move(dims)});
  };
  add("attn_norm", Type::kF32, {d_model});
  add("attn_q", Type::kQ4_K, {d_model, d_q});
  add("attn_k", Type::kQ4_K, {d_model, d_kv});
  add("attn_v", more, {d_model, d_kv});
  add("attn_output", Type::kQ4_K, {d_q, d_model});
  add("attn_q_norm", Type::kF32, {spec.d_head});
  add("attn_k_norm", Type::kF32, {spec.d_head});
  add("ffn_norm", Type::kF32, {d_model});
  add("ffn_gate_inp", Type::kF32, {d_model, spec.n_expert});
  add("ffn_gate_exps", Type::kQ4_K, {d_model, spec.d_ff_expert, spec.n_expert});
  add("ffn_up_exps", Type::kQ4_K, {d_model, spec.d_ff_expert, spec.n_expert});
  add("ffn_down_exps", more, {spec.d_ff_expert, d_model, spec.n_expert});
}

std::vector<PlannedTensor> plan_tensors(const Spec& spec) {
  std::vector<PlannedTensor> out;
  out.push_back({"token_embd.weight", Type::kQ4_K, {spec.d_model, spec.n_vocab}});
  for (uint32_t layer = 0; layer < spec.n_layer; ++layer) plan_layer(out, spec, layer);
  out.push_back({"output_norm.weight", Type::kF32, {spec.d_model}});
  out.push_back({"output.weight", Type::kQ6_K, {spec.d_model, spec.n_vocab}});
  return out;
}

void add_metadata(gguf::Writer& writer, const Spec& spec) {
  writer.add("general.architecture", "qwen3moe");
  writer.add("general.name", fmt::format("synthetic-qwen3moe-{}", spec.name));
  writer.add("general.type", "model");
  writer.add("general.file_type", uint32_t{15});  // mostly Q4_K_M
  writer.add("general.quantization_version", uint32_t{2});
  writer.add("qwen3moe.block_count", spec.n_layer);
  writer.add("qwen3moe.context_length", spec.n_ctx);
  writer.add("qwen3moe.embedding_length", spec.d_model);
  writer.add("qwen3moe.feed_forward_length", spec.d_ff);
  writer.add("qwen3moe.expert_feed_forward_length", spec.d_ff_expert);
  writer.add("qwen3moe.expert_count", spec.n_expert);
  writer.add("qwen3moe.expert_used_count", spec.n_expert_used);
  writer.add("qwen3moe.attention.head_count", spec.n_head);
  writer.add("qwen3moe.attention.head_count_kv", spec.n_head_kv);
  writer.add("qwen3moe.attention.key_length", spec.d_head);
  writer.add("qwen3moe.attention.value_length", spec.d_head);
  writer.add("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6F);
  writer.add("qwen3moe.rope.freq_base", 1e7F);
  writer.add("qwen3moe.vocab_size", spec.n_vocab);
}

Result<gguf::Layout> plan_layout(const Spec& spec, const std::vector<PlannedTensor>& tensors) {
  gguf::Writer writer;
  add_metadata(writer, spec);
  for (const PlannedTensor& tensor : tensors)
    writer.add_tensor(tensor.name, static_cast<uint32_t>(tensor.type), tensor.dims);
  return writer.layout();
}

// The output function of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

constexpr uint64_t kGamma = 0x9e3779b97f4a7c15;

// A stream of its own for every piece of work, so that it does not matter who does which.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream, uint64_t index)
      : state_(mix(mix(mix(seed + kGamma) + stream + kGamma) + index + kGamma)) {}

  uint64_t next() { return mix(state_ += kGamma); }

  // The sum of twelve uniforms less its mean: variance 1, kurtosis 2.9, no tails beyond 6. Unlike the logarithm and
  // cosine of a C library it has the same bits everywhere. Two 32-bit lanes add up six 16-bit uniforms each.
  float normal() {
    constexpr uint64_t kEvenLanes = 0x0000ffff0000ffff;
    uint64_t lanes = 0;
    for (int i = 0; i < 3; ++i) {
      const uint64_t word = next();
      lanes += (word & kEvenLanes) + ((word >> 16) & kEvenLanes);
    }
    const auto sum = static_cast<int64_t>((lanes >> 32) + (lanes & 0xffffffff));
    return static_cast<float>(2 * sum - 12 * 65535) * 0x1p-17F;
  }

 private:
  uint64_t state_;
};

constexpr uint64_t kFillStream = 0;  // of pieces; the pools take 1 + their format's id

// Really quantized blocks, which matrices take windows of.
class BlockPool {
 public:
  BlockPool(Type type, uint32_t n_block, uint64_t seed, ThreadPool& threads)
      : format_(quant::format_of(type)), n_block_(n_block), bytes_(new std::byte[bytes_of(type, n_block)]) {
    constexpr int64_t kGrain = 256;
    threads.parallel_for(n_block, kGrain, [&](int64_t begin, int64_t end, int) {
      std::array<float, 256> values;
      CHECK(format_.block_size == static_cast<int>(values.size()));
      for (int64_t block = begin; block < end; ++block) {
        Random random(seed, 1 + static_cast<uint64_t>(type), static_cast<uint64_t>(block));
        for (float& value : values) value = kWeightSigma * random.normal();
        format_.quantize(bytes_.get() + block * format_.block_bytes, values.data(), 1);
      }
    });
  }

  static uint64_t bytes_of(Type type, uint32_t n_block) {
    return uint64_t{n_block} * static_cast<uint64_t>(quant::format_of(type).block_bytes);
  }

  // n_byte is a whole number of blocks, no more than the pool has.
  void copy_window(std::byte* out, uint64_t n_byte, Random& random) const {
    const auto block_bytes = static_cast<uint64_t>(format_.block_bytes);
    const uint64_t start = random.next() % (n_block_ - n_byte / block_bytes + 1);
    std::memcpy(out, bytes_.get() + start * block_bytes, n_byte);
  }

 private:
  const quant::Format& format_;
  uint64_t n_block_;
  std::unique_ptr<std::byte[]> bytes_;
};

void fill_normal(std::byte* out, uint64_t n_byte, float mean, float sigma, Random& random) {
  for (uint64_t i = 0; i < n_byte; i += sizeof(float)) {
    const float value = mean + sigma * random.normal();
    std::memcpy(out + i, &value, sizeof value);
  }
}

// A part of one matrix, at most kMaxWindow blocks of it.
struct Piece {
  uint64_t offset;  // in the image
  uint32_t n_byte;
  Type type;
  bool is_norm;
};
constexpr uint64_t kMaxWindow = 8192;

std::vector<Piece> cut_pieces(const std::vector<PlannedTensor>& tensors, const gguf::Layout& layout) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const PlannedTensor& tensor = tensors[i];
    const uint64_t mat_bytes = layout.tensors[i].n_byte / tensor.n_mat();
    const uint64_t window = kMaxWindow * static_cast<uint64_t>(quant::format_of(tensor.type).block_bytes);
    for (uint64_t mat = 0; mat < tensor.n_mat(); ++mat) {
      for (uint64_t at = 0; at < mat_bytes; at += window) {
        const auto n_byte = static_cast<uint32_t>(std::min(window, mat_bytes - at));
        pieces.push_back({layout.tensors[i].offset + mat * mat_bytes + at, n_byte, tensor.type, tensor.is_norm()});
      }
    }
  }
  return pieces;
}

Status check_fits(const Spec& spec, uint64_t image_bytes, int64_t available_bytes) {
  const uint64_t pool_bytes =
      BlockPool::bytes_of(Type::kQ4_K, spec.n_pool_block) + BlockPool::bytes_of(Type::kQ6_K, spec.n_pool_block);
  const uint64_t wanted = image_bytes + pool_bytes;
  if (available_bytes == 0 || std::cmp_less_equal(wanted, available_bytes)) return {};
  const auto gigabytes = [](auto n_byte) { return static_cast<double>(n_byte) / 1e9; };
  return with_hint(
      error(Code::kOutOfMemory,
            "synthetic:{}: {:.2f} GB of memory is available, want {:.2f} GB ({:.2f} for weights and {:.2f} "
            "while they are made)",
            spec.name, gigabytes(available_bytes), gigabytes(wanted), gigabytes(image_bytes), gigabytes(pool_bytes)),
      "close other programs, or take a smaller model: mid takes 2.7 GB, tiny 0.1 GB");
}

void fill_piece(std::byte* out, const Piece& piece, const BlockPool& q4, const BlockPool& q6, Random& random) {
  if (piece.is_norm) {
    fill_normal(out, piece.n_byte, 1.0F, kNormSigma, random);
  } else if (piece.type == Type::kF32) {
    fill_normal(out, piece.n_byte, 0.0F, kWeightSigma, random);
  } else {
    (piece.type == Type::kQ4_K ? q4 : q6).copy_window(out, piece.n_byte, random);
  }
}

void fill(std::byte* image, const Spec& spec, const std::vector<Piece>& pieces, uint64_t seed, ThreadPool& threads,
          const SyntheticProgress& progress) {
  const BlockPool q4(Type::kQ4_K, spec.n_pool_block, seed, threads);
  const BlockPool q6(Type::kQ6_K, spec.n_pool_block, seed, threads);
  uint64_t total = 0;
  for (const Piece& piece : pieces) total += piece.n_byte;
  std::atomic<uint64_t> done{0};
  constexpr int64_t kGrain = 16;
  threads.parallel_for(static_cast<int64_t>(pieces.size()), kGrain, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      Random random(seed, kFillStream, static_cast<uint64_t>(i));
      fill_piece(image + piece.offset, piece, q4, q6, random);
      const uint64_t so_far = done.fetch_add(piece.n_byte, std::memory_order_relaxed) + piece.n_byte;
      if (thread == 0 && progress && so_far < total) progress(so_far, total);
    }
  });
  if (progress) progress(total, total);
}

}  // namespace

void SyntheticModel::Unmap::operator()(std::byte* bytes) const { munmap(bytes, n_byte); }

Result<SyntheticModel> SyntheticModel::allocate(std::string name, size_t n_byte) {
  void* bytes = mmap(nullptr, n_byte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED)
    return error(Code::kOutOfMemory, "{}: mapping {} bytes: {}", name, n_byte, std::generic_category().message(errno));
  // A hint: with it, faults while filling and TLB misses while reading are fewer by a factor of 512.
  madvise(bytes, n_byte, MADV_HUGEPAGE);
  return SyntheticModel(static_cast<std::byte*>(bytes), n_byte, std::move(name));
}

std::string_view synthetic_size_name(SyntheticSize size) { return spec_of(size).name; }

Result<SyntheticSize> parse_synthetic_size(std::string_view name) {
  for (size_t i = 0; i < kSpecs.size(); ++i) {
    if (kSpecs[i].name == name) return static_cast<SyntheticSize>(i);
  }
  return error(Code::kInvalidArgument, "synthetic size: '{}', want tiny, mid or full", name);
}

Result<gguf::Layout> plan_synthetic(SyntheticSize size) {
  return plan_layout(spec_of(size), plan_tensors(spec_of(size)));
}

Result<SyntheticModel> make_synthetic(SyntheticSize size, uint64_t seed, ThreadPool& pool,
                                      const SyntheticProgress& progress, int64_t available_bytes) {
  const Spec& spec = spec_of(size);
  const std::vector<PlannedTensor> tensors = plan_tensors(spec);
  ASSIGN_OR_RETURN(const gguf::Layout layout, plan_layout(spec, tensors));
  RETURN_IF_ERROR(check_fits(spec, layout.file_bytes, available_bytes));
  ASSIGN_OR_RETURN(SyntheticModel model,
                   SyntheticModel::allocate(fmt::format("synthetic:{}", spec.name), layout.file_bytes));
  std::memcpy(model.bytes_.get(), layout.header.data(), layout.header.size());
  fill(model.bytes_.get(), spec, cut_pieces(tensors, layout), seed, pool, progress);
  return model;
}

Result<std::shared_ptr<const gguf::File>> open_synthetic(SyntheticModel model) {
  struct Both {
    SyntheticModel model;
    std::unique_ptr<gguf::File> file;  // goes before what it looks into
  };
  auto both = std::make_shared<Both>(Both{std::move(model), nullptr});
  ASSIGN_OR_RETURN(both->file, gguf::File::from_memory(both->model.bytes(), both->model.name()));
  const gguf::File* file = both->file.get();
  return std::shared_ptr<const gguf::File>(std::move(both), file);
}

}  // namespace tercet::model
