#include "cli/load.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/memory.h"

namespace tercet::cli {
namespace {

// Rows a step: enough that the weights, read once a step, are shared by many tokens of a prompt.
constexpr int kMaxRow = 512;

// How much of the file is brought in between two looks of the progress line.
constexpr uint64_t kReadAhead = uint64_t{64} << 20;

// Brings the mapped weights into memory in the file's order, so that the first token does not wait for a thousand small
// reads in any order. It is no more than a help: what fails here is found out when the bytes are used.
void read_ahead(const gguf::File& file, const Console& console) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  uint64_t n_total = 0;
  for (const gguf::TensorInfo& info : file.tensors()) n_total += info.n_byte;
  uint64_t n_done = 0;
  for (const gguf::TensorInfo& info : file.tensors()) {
    for (uint64_t i = 0; i < info.n_byte; i += kReadAhead) {
      const uint64_t n = std::min(kReadAhead, info.n_byte - i);
      const auto begin = reinterpret_cast<uintptr_t>(info.data.data() + i) / page * page;
      const auto end = reinterpret_cast<uintptr_t>(info.data.data() + i) + n;
      (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
      n_done += n;
      console.progress(fmt::format("loading: {} %", n_done * 100 / n_total));
    }
  }
  console.progress("");
}

std::string context_note(const Common& common, const engine::MemoryPlan& plan) {
  if (common.n_ctx) return "";
  if (!plan.is_cut) return fmt::format("context: {} tokens, the trained length", plan.n_ctx);
  return fmt::format("context: {} tokens, the most that fits: {}", plan.n_ctx, plan.describe());
}

}  // namespace

Result<OpenModel> open_model(const Common& common) {
  ASSIGN_OR_RETURN(const std::string path, model_path(common));
  ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::open(path));
  OpenModel out;
  ASSIGN_OR_RETURN(out.model, model::load_model(file));
  if (file->find("tokenizer.ggml.model") == nullptr) return out;
  ASSIGN_OR_RETURN(out.tokenizer, tokenizer::Tokenizer::from_gguf(*file));
  return out;
}

Result<ReadyBackend> start_backend(const std::shared_ptr<const model::Model>& model, const Common& common,
                                   const Console& console, int max_sequence) {
  ASSIGN_OR_RETURN(const BackendChoice choice, choose_backend(common));
  const engine::MemoryNeed need = memory_need(*model, choice.entry->factory, common, max_sequence);
  ASSIGN_OR_RETURN(const int64_t free_bytes, available_memory());
  ASSIGN_OR_RETURN(const engine::MemoryPlan plan, engine::plan_memory(need, free_bytes));
  for (const std::string& note : {choice.why, context_note(common, plan)})
    if (!note.empty()) console.note(note);

  read_ahead(*model->file, console);
  const backend::Options options{common.precision(), common.threads(), kMaxRow, max_sequence, plan.n_page};
  ASSIGN_OR_RETURN(auto backend, choice.entry->factory->make(model, options));
  return ReadyBackend{std::move(backend), plan.n_ctx};
}

engine::MemoryNeed memory_need(const model::Model& model, const backend::Factory* factory, const Common& common,
                               int n_sequence) {
  const model::Config& c = model.config;
  engine::MemoryNeed need;
  need.model = model.file->path();
  need.weight_bytes = model.weight_bytes();
  // Where nothing runs yet: keys and values in 16 bits.
  need.kv_bytes_per_token = factory != nullptr ? factory->kv_bytes_per_token(model, common.precision())
                                               : int64_t{2} * c.n_layer * c.d_kv() * 2;
  need.n_ctx_train = c.n_ctx_train;
  if (common.n_ctx) need.ctx = static_cast<int>(*common.n_ctx);
  need.n_sequence = n_sequence;
  return need;
}

}  // namespace tercet::cli
