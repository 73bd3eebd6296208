// Owns models made of noise: a complete GGUF image in memory with the shapes and block formats of a real one, for
// measuring without a download. The ordinary reader reads it, so that there is one path for all models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/memory.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"

namespace tercet::model {

// kFull has the shapes of Qwen3-Coder-30B-A3B; kMid has six of its layers; kTiny, four small ones. The mix of formats
// is that of llama.cpp's Q4_K_M. There is no tokenizer.
enum class SyntheticSize { kTiny, kMid, kFull };

// "tiny", "mid", "full".
std::string_view synthetic_size_name(SyntheticSize size);
// Errors: kInvalidArgument.
Result<SyntheticSize> parse_synthetic_size(std::string_view name);

// The image's header and where each tensor will lie; layout.file_bytes is what the weights take.
Result<gguf::Layout> plan_synthetic(SyntheticSize size);

// Called on the calling thread, about once for each megabyte that it made, and at last with done == total.
using SyntheticProgress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

class SyntheticModel {
 public:
  std::span<const std::byte> bytes() const { return {bytes_.get(), bytes_.get_deleter().n_byte}; }
  const std::string& name() const { return name_; }  // "synthetic:full"

 private:
  struct Unmap {
    size_t n_byte;
    void operator()(std::byte* bytes) const;
  };

  SyntheticModel(std::byte* bytes, size_t n_byte, std::string name)
      : bytes_(bytes, Unmap{n_byte}), name_(std::move(name)) {}
  static Result<SyntheticModel> allocate(std::string name, size_t n_byte);
  friend Result<SyntheticModel> make_synthetic(SyntheticSize size, uint64_t seed, ThreadPool& pool,
                                               const SyntheticProgress& progress, int64_t available_bytes);

  std::unique_ptr<std::byte[], Unmap> bytes_;
  std::string name_;
};

// Makes the image in one anonymous mapping. Matrices are windows into a pool of really quantized N(0, 0.02) blocks, a
// random one for each expert and for each 8192 blocks of a larger matrix; the router is N(0, 0.02), norms are N(1,
// 0.1). The bytes depend on size and seed alone: not on the threads, nor on the machine. Errors: kOutOfMemory if it
// takes more than available_bytes, before anything is allocated; 0 stands for an unknown amount,
// which refuses nothing.
Result<SyntheticModel> make_synthetic(SyntheticSize size, uint64_t seed, ThreadPool& pool,
                                      const SyntheticProgress& progress = {},
                                      int64_t available_bytes = memory_available());

// The image as a file, which keeps it.
Result<std::shared_ptr<const gguf::File>> open_synthetic(SyntheticModel model);

}  // namespace tercet::model
