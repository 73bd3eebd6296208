// Owns trace files: safetensors (https://github.com/huggingface/safetensors#format) with a tensor for each tap, named
// TAP-LAYER, [n_token, ...], F32 or I32, and the metadata `model`, `backend`, `tokens`.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/taps.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "model/config.h"

namespace tercet::trace {

// "attn_norm-0", "inp_embd"
std::string tensor_name(backend::Tap tap, int layer);
// Values a token in one tap.
int64_t tap_width(backend::Tap tap, const model::Config& config);

// Writes the taps of a prompt as they come, each at its place, so that they need not fit in memory. The bytes go to a
// file beside the one that was named and take its place in finish(); what stood there before is lost only then.
class TraceWriter final : public backend::TraceSink {
 public:
  struct Meta {
    std::string model, backend;  // UTF-8
    std::vector<int32_t> tokens;
  };
  // Errors: kIo.
  static Result<std::unique_ptr<TraceWriter>> create(const std::string& path, const model::Config& config,
                                                     std::vector<backend::Tap> taps, const Meta& meta);
  ~TraceWriter() override;
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  // The next step's rows begin at this position of the prompt; each of its rows must be an output with logits.
  void set_position(int64_t position) { position_ = position; }

  bool wants(backend::Tap tap) const override;
  void write(const backend::TapView& view) override;

  // The first error of any write, else the file is complete and in place. Call it once.
  Status finish();

 private:
  TraceWriter() = default;
  Status write_at(std::span<const std::byte> bytes, int64_t offset);

  std::string path_;
  std::string temporary_;  // empty once renamed, or when written in place (a device, a pipe)
  int fd_ = -1;
  std::vector<backend::Tap> taps_;
  std::map<std::string, int64_t> offset_;  // of each tensor's data in the file
  int64_t position_ = 0;
  Status status_;
};

struct TraceTensor {
  bool is_ids = false;
  std::vector<int64_t> shape;
  std::vector<float> f32;  // copied out: the file gives no alignment
  std::vector<int32_t> ids;
};

class TraceFile {
 public:
  // Errors: MappedFile::open's; kCorrupt for what is not safetensors or does not fit its own header.
  static Result<std::unique_ptr<TraceFile>> open(const std::string& path);
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // The token ids of the metadata. Errors: kCorrupt.
  Result<std::vector<int32_t>> tokens() const;
  bool has(const std::string& name) const { return entries_.contains(name); }
  // All rows, or some of them. Errors: kNotFound for the name, kInvalidArgument for rows that it has not.
  Result<TraceTensor> read(const std::string& name) const;
  Result<TraceTensor> read_rows(const std::string& name, int64_t first, int64_t n) const;

 private:
  struct Entry {
    bool is_ids;
    std::vector<int64_t> shape;
    std::span<const std::byte> data;
  };
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
};

}  // namespace tercet::trace
