// Owns what the WebGPU stages hand to each other within a step: the buffers on the device, and the recording of their
// kernels into one compute pass, whose pipelines and bind groups are made when a step first needs them.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "backend/backend.h"
#include "model/qwen3_moe.h"
#include "wgpu/context.h"
#include "wgpu/sampler.h"
#include "wgpu/stage_timer.h"
#include "wgpu/timing.h"
#include "wgpu/weights.h"

namespace tercet::wgpu {

inline constexpr int kPageSize = 64;  // common.wgsl knows it too
inline constexpr int kFewRows = 64;   // up to which product.wgsl is quicker than tile.wgsl
// Workgroups that keep a large GPU busy. WebGPU does not tell how many it runs at a time.
inline constexpr int kEnoughGroups = 256;

// Of kernels/tile.wgsl: T rows and R outputs a thread.
struct TileShape {
  int t, r;
  int rows() const { return 16 * t; }
  int outputs() const { return 16 * r; }
};

// Everything that a step writes. f32 where nothing else is said.
struct Buffers {
  Buffer input;       // u32, input.h
  Buffer x;           // [max_row, d_model] the residual stream
  Buffer h;           // [max_row, d_model] normalised
  Buffer qkv;         // [max_row, d_q + 2 d_kv]
  Buffer heads;       // the same after norm and RoPE
  Buffer a;           // [max_row, d_q]
  Buffer blocks;      // [rows, n_head, blocks, d_head + 4] of attention, where rows are few
  Buffer router;      // [max_row, n_expert]
  Buffer ids;         // [max_row, k] u32
  Buffer weights;     // [max_row, k]
  Buffer tiles;       // u32, kernels/group.wgsl
  Buffer act;         // [max_row * k, d_ff]
  Buffer slot_out;    // [max_row * k, d_model]
  Buffer ffn;         // [max_row, d_model]
  Buffer head_in;     // [max_output, d_model]
  Buffer logits;      // [max_output, n_vocab]
  Buffer candidates;  // of key and id: [max_output, 64] of kernels/largest.wgsl, [2, max_output, chunks] of adjust.wgsl
  Buffer results;     // [max_output, 8] u32, kernels/draw.wgsl
  Buffer keys;        // [outputs that draw, n_vocab] u32, kernels/adjust.wgsl
  Buffer scratch;     // u32, a part for each view, kernels/request.wgsl
  Buffer lists;       // of key and id, kernels/keep.wgsl
  Buffer last_token;  // [max_sequence] i32
};

struct Kv {
  backend::KvType type = backend::KvType::kF32;
  std::vector<Buffer> keys, values;  // a layer: [n_page, n_head_kv, page_size, d_head]
};

// What kernels are chosen by.
struct StepShape {
  int n_row = 0;
  int n_lone = 0;  // the first rows, each alone in its sequence
  int n_tile = 0;  // of kernels/attn_tile.wgsl, for the others
  SampleShape sample;
};

class Stages {
 public:
  // `is_exact`: whatever a row's step holds, its sums have one order. subgroup_width: of subgroups.h; no bit depends on it.
  Stages(Context& context, const model::Config& config, const Weights& weights, bool is_exact, int subgroup_width)
      : context_(context),
        config_(config),
        weights_(weights),
        is_exact_(is_exact),
        subgroup_width_(subgroup_width),
        timing_(context) {}

  // What a step of max_row rows writes, but for what depends on its outputs. Errors: those of make_buffer.
  Status allocate(int max_row, int max_sequence, const backend::KvLayout& kv);
  // Room for that many outputs, words of input, and what their sampling needs; what was recorded for the old ones goes.
  Status reserve(int n_output, size_t n_word, const SampleShape& sample);

  void begin(const StepShape& step, backend::TraceSink* trace);
  void embed(const model::Model& model, const model::Shape& shape);
  void attn_in(const model::LayerSpec& layer, const model::Shape& shape);
  void attn(const model::LayerSpec& layer, const model::Shape& shape);
  void attn_out(const model::LayerSpec& layer, const model::Shape& shape);
  void route(const model::LayerSpec& layer, const model::Shape& shape);
  void experts(const model::LayerSpec& layer, const model::Shape& shape);
  void head(const model::Model& model, const model::Shape& shape);
  // The end of head(): results of logits, as the requests say.
  void choose(int n_output);
  // Ends the pass; what is copied behind it goes into this encoder.
  WGPUCommandEncoder end();
  // From the next begin() on each stage is a pass of its own, which that one times; null: all are one pass.
  void time_by(StageTimer* timer) { timer_ = timer; }
  // A stage was recorded. head says so itself, in front of what chooses tokens.
  void end_stage(backend::Stage stage);
  // For those who submit.
  Timing& timing() { return timing_; }

  // Queries a tile of kernels/attn_tile.wgsl.
  int attn_tile_queries() const { return 16 * attn_tile_t(); }
  // For tests, which have no such GPU: how many workgroups keep it busy, by which kernels are chosen.
  void set_enough_groups(int n) { enough_groups_ = n; }
  Status status() const { return status_; }
  Buffers b;
  Kv kv;

 private:
  using Encoder = Handle<WGPUCommandEncoder, wgpuCommandEncoderRelease>;
  using Pass = Handle<WGPUComputePassEncoder, wgpuComputePassEncoderRelease>;

  // A kernel's place in the forward pass: its bind group, and its pipelines by the rows that they take at a time.
  struct Site {
    std::string_view name;
    BindGroup group;
    std::string uses;
    std::array<const Kernel*, 128> kernels = {};
  };
  using SiteId = std::tuple<std::string_view, int, int>;  // name, layer, part

  // What a kernel is made of, asked for only where there is none yet.
  struct Recipe {
    std::string_view name;  // of the file
    std::string constants;
    std::string functions = {};
    // How often `//@each m` and the like repeat. A unit has 8 words j; s once with subgroups, p once without.
    std::map<char, int> counts = {};
  };
  struct Product;  // product.cc
  Site* site(const SiteId& id, std::string_view uses, std::span<const Range> ranges);
  template <typename MakeRecipe>
  void launch(Site* site, int variant, MakeRecipe&& recipe, int64_t n_x, int64_t n_y);
  // A variant has a kernel for each way in which rows lie.
  int kernel_index(int variant) const { return 2 * variant + (is_planar_ ? 1 : 0); }
  void record(Site& site, int variant, int64_t n_x, int64_t n_y);
  void make_kernel(Site& site, int variant, const Recipe& recipe);
  // 256 bytes of uniforms with those words in front.
  Range uniforms(std::span<const uint32_t> words);

  Site* find(const SiteId& id) {
    const auto found = sites_.find(id);
    return found == sites_.end() ? nullptr : &found->second;
  }
  // `to_planar`: how the rows of `to` lie; those of `from` lie as the step's.
  Status reserve_sampling(const SampleShape& sample);
  Status make_bound(Buffer& to, uint64_t n_byte, std::string_view what);
  void choose_largest(int n_output);
  // The ranges are those of `uses`, but for a uniform at the end, of those words.
  void sampling_kernel(std::string_view name, int turn, std::string_view uses, std::vector<Range> ranges, int64_t n_x,
                       int64_t n_y, std::span<const uint32_t> words = {});
  void normalise(const SiteId& id, uint64_t norm, const Buffer& from, const Buffer& to, int64_t n_row, bool of_outputs,
                 bool to_planar);
  void products(const Product& product);
  void one_product(const Product& product, std::span<const std::pair<const Tensor*, const Part*>> parts,
                   std::span<const uint32_t> first, int part_index);
  Site* expert_site(bool is_gate, int layer, size_t part);
  int expert_rows(int n_row) const;
  int64_t most_tiles(int n_row, int tile_rows) const;
  void expert_tiles(bool is_gate, int layer, int n_row);
  void expert_products(bool is_gate, int layer, int n_row);
  void choose_and_gate(int layer, int n_row);
  void down_and_combine(int layer, int n_row);
  void combine(int n_row);
  void group_slots(int n_row, int tile_rows);
  // How many workgroups a row and head of attention are split over; 1: they are not.
  int attn_split(int n_row, int max_length) const;
  int attn_tile_t() const;
  void attn_rows(int layer, int n_row, int max_length);
  void attn_tiles(int layer);
  // Whether choices are listed by expert; else each is by itself, and the experts' kernels choose and combine.
  bool groups_slots(int layer, int n_row) const {
    return takes_tiles(n_row) || n_row * config_.n_expert_used >= config_.n_expert ||
           weights_.layers[static_cast<size_t>(layer)].down_exps.parts.size() > 1;
  }
  // Whether that many rows go through kernels/tile.wgsl.
  bool takes_tiles(int64_t n_row) const { return !is_exact_ && n_row > kFewRows; }
  TileShape tile_shape(int64_t n_row, int64_t n_output, int n_matrix) const;
  TileShape expert_tile(int64_t n_row, int n_matrix) const;
  // Of LANES threads that share a sum: 1 if the tree over them begins in shared memory, else subgroups have all of it.
  int sums_in_shared(int lanes) const { return lanes > subgroup_width_ ? 1 : 0; }
  int64_t order_at() const;  // in the words of b.tiles

  bool wants(backend::Tap tap) const { return trace_ != nullptr && trace_->wants(tap); }
  // Columns first .. first + width - 1 of rows of `stride`.
  void tap(backend::Tap tap, int layer, const Buffer& from, int64_t n_row, int64_t width, int64_t stride = 0,
           int64_t first = 0, bool is_planar = false);
  // Of rows that lie as the step's do.
  void tap_placed(backend::Tap which, int layer, const Buffer& from, int64_t n_row, int64_t width) {
    tap(which, layer, from, n_row, width, width, 0, is_planar_);
  }
  void tap_heads(int layer, int n_row);
  Result<std::vector<uint32_t>> fetch(const Buffer& from, int64_t n_word);
  void start_encoder();
  void start_pass();
  void fail(Status status) {
    if (status_) status_ = std::move(status);
  }
  const LayerWeights& weights_of(const model::LayerSpec& layer) const {
    return weights_.layers[static_cast<size_t>(layer.index)];
  }
  int64_t qkv_width() const { return config_.d_q() + 2 * int64_t{config_.d_kv()}; }

  Context& context_;
  const model::Config& config_;
  const Weights& weights_;
  const bool is_exact_;
  const int subgroup_width_;
  int enough_groups_ = kEnoughGroups;
  int max_row_ = 0;
  int max_output_ = 0;
  int64_t block_words_ = 0;  // of b.blocks
  uint64_t input_bytes_ = 0;
  SampleShape room_;        // for sampling
  bool is_planar_ = false;  // how rows lie: common.wgsl
  bool is_lone_ = false;    // each row is alone in its sequence, and few
  StepShape step_;
  backend::TraceSink* trace_ = nullptr;
  Status status_;
  Encoder encoder_;
  Pass pass_;
  BindGroup input_group_;
  std::map<SiteId, Site> sites_;
  std::vector<Buffer> uniform_buffers_;
  size_t n_uniform_ = 0;
  Timing timing_;
  StageTimer* timer_ = nullptr;
};

// Of Buffers::blocks.
int64_t block_words(const model::Config& config, int64_t max_row, int64_t n_page);

// For the constants in front of a shader.
template <typename T>
std::string constant(std::string_view name, T value) {
  if constexpr (std::is_same_v<T, bool>) return fmt::format("const {}: bool = {};\n", name, value);
  if constexpr (std::is_same_v<T, float>) return fmt::format("const {}: f32 = {:.9e};\n", name, value);
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    return fmt::format("const {}: u32 = {}u;\n", name, value);
}

// The functions open_I and part_I of a format, and the binding that they read.
std::string loader(quant::Type type, int index, int binding);

// Of 256 threads, how many share an output with that many units: as many as the units keep busy, and more where there are
// few outputs. A row's bits depend on it.
int lanes_for(int64_t n_unit, int64_t n_output);

template <typename MakeRecipe>
void Stages::launch(Site* site, int variant, MakeRecipe&& recipe, int64_t n_x, int64_t n_y) {
  if (site == nullptr || !status_) return;
  if (site->kernels[static_cast<size_t>(kernel_index(variant))] == nullptr) make_kernel(*site, variant, recipe());
  record(*site, variant, n_x, n_y);
}

}  // namespace tercet::wgpu
