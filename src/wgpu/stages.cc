// What the stages share on the host's side: buffers, kernels and bind groups, recording, and taps.
#include "wgpu/stages.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "wgpu/shaders.h"

namespace tercet::wgpu {

static_assert(model::StageSet<Stages>);

namespace {

constexpr WGPUBufferUsage kUsage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst;
constexpr size_t kUniformBytes = 256;  // the offset that every adapter takes
constexpr size_t kUniformsABuffer = 256;

std::string replaced(std::string_view text, std::string_view mark, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(mark, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += to;
    at = found + mark.size();
  }
}

// Writes out every `//@each i` .. `//@end`, from the outermost in; `count` says how often for each i.
template <typename Count>
std::string repeated(std::string_view text, const Count& count) {
  constexpr std::string_view kEach = "//@each ";
  constexpr std::string_view kEnd = "//@end\n";
  const size_t begin = text.find(kEach);
  if (begin == std::string_view::npos) return std::string(text);
  const char name = text[begin + kEach.size()];
  const size_t body = begin + kEach.size() + 2;  // behind the name and the line's end
  size_t end = body;
  for (int depth = 1;; end += kEnd.size()) {
    const size_t opens = text.find(kEach, end);
    end = text.find(kEnd, end);
    CHECK(end != std::string_view::npos);
    if (opens < end) {
      ++depth;
      end = opens + kEach.size() - kEnd.size();
    } else if (--depth == 0) {
      break;
    }
  }
  std::string out(text.substr(0, begin));
  const std::string mark = {'$', name};
  for (int i = 0; i < count(name); ++i)
    out += repeated(replaced(text.substr(body, end - body), mark, std::to_string(i)), count);
  return out + repeated(text.substr(end + kEnd.size()), count);
}

std::string_view format_shader(quant::Type type) {
  switch (type) {
    case quant::Type::kQ4_K: return shader("kernels/q4_k");
    case quant::Type::kQ6_K: return shader("kernels/q6_k");
    case quant::Type::kQ8_0: return shader("kernels/q8_0");
    case quant::Type::kF16: return shader("kernels/f16");
    case quant::Type::kBF16: return shader("kernels/bf16");
    default: break;
  }
  CHECK(type == quant::Type::kF32);
  return shader("kernels/f32");
}

}  // namespace

std::string loader(quant::Type type, int index, int binding) {
  return fmt::format("@group(1) @binding({}) var<storage, read> w_{}: array<vec4<u32>>;\n", binding, index) +
         replaced(format_shader(type), "$m", std::to_string(index));
}

int lanes_for(int64_t n_unit, int64_t n_output) {
  for (int lanes = n_output <= 256 ? 128 : 32; lanes > 1; lanes /= 2) {
    const int64_t rounds = (n_unit + lanes - 1) / lanes;
    if (n_unit * 5 >= rounds * lanes * 4) return lanes;
  }
  return 1;
}

int64_t Stages::order_at() const {
  const int64_t n_slot = int64_t{max_row_} * config_.n_expert_used;
  return 4 + 4 * (n_slot + config_.n_expert);
}

int64_t block_words(const model::Config& c, int64_t max_row, int64_t n_page) {
  // Of so many rows the workgroups fill a GPU without being split.
  const int64_t wanted = std::min<int64_t>(max_row, 64) * c.n_head * n_page * (c.d_head + 4);
  return std::min<int64_t>(wanted, int64_t{8} << 20);
}

Status Stages::allocate(int max_row, int max_sequence, const backend::KvLayout& layout) {
  const model::Config& c = config_;
  max_row_ = max_row;
  const auto take = [&](Buffer& to, int64_t n_word, std::string_view what) -> Status {
    return make_bound(to, static_cast<uint64_t>(n_word) * 4, what);
  };
  const int64_t n = max_row;
  const int64_t n_slot = n * c.n_expert_used;
  RETURN_IF_ERROR(take(b.x, n * c.d_model, "x"));
  RETURN_IF_ERROR(take(b.h, n * c.d_model, "h"));
  RETURN_IF_ERROR(take(b.qkv, n * qkv_width(), "q, k and v"));
  RETURN_IF_ERROR(take(b.heads, n * qkv_width(), "heads"));
  RETURN_IF_ERROR(take(b.a, n * c.d_q(), "what attention gives"));
  block_words_ = block_words(c, max_row, layout.n_page);
  RETURN_IF_ERROR(take(b.blocks, block_words_, "blocks of attention"));
  RETURN_IF_ERROR(take(b.router, n * c.n_expert, "the router's logits"));
  RETURN_IF_ERROR(take(b.ids, n_slot, "ids"));
  RETURN_IF_ERROR(take(b.weights, n_slot, "weights of experts"));
  RETURN_IF_ERROR(take(b.tiles, order_at() + n_slot, "tiles"));
  RETURN_IF_ERROR(take(b.act, n_slot * c.d_ff, "activations of experts"));
  RETURN_IF_ERROR(take(b.slot_out, n_slot * c.d_model, "what experts give"));
  RETURN_IF_ERROR(take(b.ffn, n * c.d_model, "their sum"));
  RETURN_IF_ERROR(take(b.last_token, max_sequence, "last tokens"));
  kv.type = layout.type;
  const int64_t layer_bytes = layout.page_bytes() / (2 * layout.n_layer) * layout.n_page;
  for (int layer = 0; layer < layout.n_layer; ++layer) {
    for (std::vector<Buffer>* of : {&kv.keys, &kv.values}) {
      RETURN_IF_ERROR(take(of->emplace_back(), (layer_bytes + 3) / 4, "a layer's KV cache"));
    }
  }
  SampleShape sample;  // of steps in which each sequence draws
  sample.n_key_row = sample.n_view = max_sequence;
  return reserve(max_sequence, 4096, sample);
}

Status Stages::reserve(int n_output, size_t n_word, const SampleShape& sample) {
  const bool has_room =
      sample.n_key_row <= room_.n_key_row && sample.n_view <= room_.n_view && sample.n_entry <= room_.n_entry;
  if (n_output <= max_output_ && 4 * n_word <= input_bytes_ && has_room) return {};
  sites_.clear();
  n_uniform_ = 0;
  if (n_output > max_output_) {
    const auto n = static_cast<uint64_t>(n_output);
    const auto n_vocab = static_cast<uint64_t>(config_.n_vocab);
    const auto n_chunk = static_cast<uint64_t>(n_sample_chunk(config_.n_vocab));
    max_output_ = 0;
    RETURN_IF_ERROR(make_bound(b.head_in, 4 * n * static_cast<uint64_t>(config_.d_model), "rows"));
    RETURN_IF_ERROR(make_bound(b.logits, 4 * n * n_vocab, fmt::format("the logits of {} rows", n)));
    RETURN_IF_ERROR(make_bound(b.candidates, 8 * n * std::max<uint64_t>(64, 2 * n_chunk), "candidates"));
    RETURN_IF_ERROR(make_bound(b.results, 4 * n * kResultWords, "results"));
    max_output_ = n_output;
  }
  if (!has_room) RETURN_IF_ERROR(reserve_sampling(sample));
  if (4 * n_word > input_bytes_) {
    input_bytes_ = 0;
    const uint64_t n_byte = 4 * n_word * 3 / 2;
    ASSIGN_OR_RETURN(b.input, context_.make_buffer(n_byte, kUsage, "a step's input"));
    const Range range[] = {{b.input.get(), 0, 0}};
    ASSIGN_OR_RETURN(input_group_, context_.bind("r", range));
    input_bytes_ = n_byte;
  }
  return {};
}

Status Stages::reserve_sampling(const SampleShape& sample) {
  const SampleShape before = std::exchange(room_, {});
  SampleShape wanted;
  wanted.n_key_row = std::max(before.n_key_row, sample.n_key_row);
  wanted.n_view = std::max(before.n_view, sample.n_view);
  wanted.n_entry = std::max(before.n_entry, sample.n_entry);
  const auto bytes = [](int64_t n, int64_t n_word) { return static_cast<uint64_t>(4 * n * n_word); };
  RETURN_IF_ERROR(make_bound(b.keys, bytes(wanted.n_key_row, config_.n_vocab), "keys to draw from"));
  RETURN_IF_ERROR(make_bound(b.scratch, bytes(wanted.n_view, sample_view_words(config_.n_vocab)), "sampling"));
  RETURN_IF_ERROR(make_bound(b.lists, bytes(wanted.n_entry, 2), "log-probabilities"));
  room_ = wanted;
  return {};
}

// A buffer that is bound whole.
Status Stages::make_bound(Buffer& to, uint64_t n_byte, std::string_view what) {
  if (n_byte > context_.limits().maxStorageBufferBindingSize)
    return error(Code::kUnsupported, "wgpu: {}: {} bytes for {}, want at most {} (maxStorageBufferBindingSize)",
                 context_.name(), n_byte, what, context_.limits().maxStorageBufferBindingSize);
  to.reset();
  ASSIGN_OR_RETURN(to, context_.make_buffer(std::max<uint64_t>(n_byte, 16), kUsage, what));
  return {};
}

Range Stages::uniforms(std::span<const uint32_t> words) {
  const size_t buffer = n_uniform_ / kUniformsABuffer;
  if (buffer == uniform_buffers_.size()) {
    auto made = context_.make_buffer(kUniformBytes * kUniformsABuffer,
                                     WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst, "uniforms");
    if (!made) {
      fail(tl::make_unexpected(made.error()));
      return {};
    }
    uniform_buffers_.push_back(std::move(*made));
  }
  const Range range = {uniform_buffers_[buffer].get(), n_uniform_ % kUniformsABuffer * kUniformBytes, kUniformBytes};
  ++n_uniform_;
  CHECK(words.size_bytes() <= kUniformBytes);
  context_.write(range.buffer, range.offset, words.data(), words.size_bytes());
  return range;
}

Stages::Site* Stages::site(const SiteId& id, std::string_view uses, std::span<const Range> ranges) {
  if (!status_) return nullptr;
  auto group = context_.bind(uses, ranges);
  if (!group) {
    fail(tl::make_unexpected(group.error()));
    return nullptr;
  }
  Site made;
  made.name = std::get<0>(id);
  made.group = std::move(*group);
  made.uses = uses;
  return &sites_.insert_or_assign(id, std::move(made)).first->second;
}

void Stages::make_kernel(Site& site, int variant, const Recipe& recipe) {
  const bool has_subgroups = subgroup_width_ > 1;
  const auto count = [&](char name) {
    switch (name) {
      case 'j': return 8;
      case 's': return has_subgroups ? 1 : 0;
      case 'p': return has_subgroups ? 0 : 1;
      default: return recipe.counts.at(name);
    }
  };
  const std::string text = constant("IS_PLANAR", is_planar_) + constant("WIDE", subgroup_width_) + recipe.constants +
                           std::string(shader("kernels/common")) +
                           std::string(shader(has_subgroups ? "kernels/subgroups" : "kernels/single")) +
                           recipe.functions + repeated(shader(recipe.name), count);
  const auto made = context_.kernel(recipe.name, text, site.uses);
  if (made)
    site.kernels[static_cast<size_t>(kernel_index(variant))] = *made;
  else
    fail(tl::make_unexpected(made.error()));
}

void Stages::record(Site& site, int variant, int64_t n_x, int64_t n_y) {
  if (!status_ || n_x == 0 || n_y == 0) return;
  const int64_t most = context_.limits().maxComputeWorkgroupsPerDimension;
  if (n_x > most || n_y > most)
    return fail(error(Code::kUnsupported,
                      "wgpu: {}: {} x {} workgroups, want at most {} (maxComputeWorkgroupsPerDimension)",
                      context_.name(), n_x, n_y, most));
  WGPUComputePassEncoder pass = pass_.get();
  wgpuComputePassEncoderSetPipeline(pass, site.kernels[static_cast<size_t>(kernel_index(variant))]->pipeline.get());
  wgpuComputePassEncoderSetBindGroup(pass, 1, site.group.get(), 0, nullptr);
  wgpuComputePassEncoderDispatchWorkgroups(pass, static_cast<uint32_t>(n_x), static_cast<uint32_t>(n_y), 1);
  timing_.mark(pass, site.name, variant);
}

void Stages::start_encoder() {
  encoder_.reset(wgpuDeviceCreateCommandEncoder(context_.device(), nullptr));
  start_pass();
}

void Stages::start_pass() {
  WGPUComputePassDescriptor descriptor{};
  WGPUPassTimestampWrites times{};
  if (timer_ != nullptr) {
    times = timer_->writes();
    descriptor.timestampWrites = &times;
  }
  pass_.reset(wgpuCommandEncoderBeginComputePass(encoder_.get(), &descriptor));
  wgpuComputePassEncoderSetBindGroup(pass_.get(), 0, input_group_.get(), 0, nullptr);
}

void Stages::begin(const StepShape& step, backend::TraceSink* trace) {
  step_ = step;
  is_planar_ = !takes_tiles(step.n_row);
  is_lone_ = is_planar_ && step.n_lone == step.n_row;
  trace_ = trace;
  status_ = {};
  start_encoder();
  if (trace == nullptr && timer_ == nullptr) timing_.begin(pass_.get(), step.n_row);
}

void Stages::end_stage(backend::Stage stage) {
  wgpuComputePassEncoderEnd(pass_.get());
  timer_->ended(stage);
  start_pass();
}

WGPUCommandEncoder Stages::end() {
  wgpuComputePassEncoderEnd(pass_.get());
  pass_.reset();
  timing_.resolve(encoder_.get());
  if (timer_ != nullptr) timer_->resolve(encoder_.get());
  return encoder_.get();
}

// A trace waits for every tap: it is a tool for finding faults, and what it sees must not change under its eyes.
Result<std::vector<uint32_t>> Stages::fetch(const Buffer& from, int64_t n_word) {
  const auto n_byte = static_cast<uint64_t>(4 * n_word);
  Readback to;
  ASSIGN_OR_RETURN(to.buffer,
                   context_.make_buffer(n_byte, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "a trace"));
  wgpuCommandEncoderCopyBufferToBuffer(end(), from.get(), 0, to.buffer.get(), 0, n_byte);
  const WGPUSubmissionIndex submission = context_.submit(encoder_.get());
  context_.start_reading(to, n_byte);
  const Status done = context_.wait(submission);
  start_encoder();
  RETURN_IF_ERROR(done);
  ASSIGN_OR_RETURN(const auto bytes, context_.reading(to));
  std::vector<uint32_t> words(static_cast<size_t>(n_word));
  std::memcpy(words.data(), bytes.data(), n_byte);
  context_.done_reading(to);
  return words;
}

void Stages::tap(backend::Tap tap, int layer, const Buffer& from, int64_t n_row, int64_t width, int64_t stride,
                 int64_t first, bool is_planar) {
  if (!wants(tap) || !status_) return;
  if (stride == 0) stride = width;
  const auto words = fetch(from, n_row * stride);
  if (!words) return fail(tl::make_unexpected(words.error()));
  std::vector<float> values;
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < n_row; ++r) {
    for (int64_t i = 0; i < width; ++i) {
      const int64_t column = is_planar ? 4 * (i / 4 % 8 * (width / kUnit) + i / kUnit) + i % 4 : i;
      const uint32_t word = (*words)[static_cast<size_t>(r * stride + first + column)];
      if (backend::tap_info(tap).is_ids)
        ids.push_back(static_cast<int32_t>(word));
      else
        values.push_back(std::bit_cast<float>(word));
    }
  }
  trace_->write({tap, layer, n_row, width, values, ids});
}

}  // namespace tercet::wgpu
