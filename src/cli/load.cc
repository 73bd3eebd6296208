#include "cli/load.h"

#include <fmt/format.h>

#include <utility>

namespace tercet::cli {
namespace {

std::string context_note(const Demand& demand, const engine::MemoryPlan& plan) {
  if (demand.ctx || demand.n_page > 0) return "";
  if (!plan.is_cut) return fmt::format("context: {} tokens, the trained length", plan.n_ctx);
  return fmt::format("context: {} tokens, {}: {}", plan.n_ctx,
                     plan.room.is_known ? "the most that fits" : "--ctx asks for more", plan.describe());
}

}  // namespace

Result<OpenModel> open_model(const Common& common) {
  ASSIGN_OR_RETURN(const std::string path, model_path(common));
  ASSIGN_OR_RETURN(const std::shared_ptr<const gguf::File> file, gguf::File::open(path));
  OpenModel out;
  ASSIGN_OR_RETURN(out.model, model::load_model(file));
  if (file->find("tokenizer.ggml.model") == nullptr) return out;
  ASSIGN_OR_RETURN(out.tokenizer, tokenizer::Tokenizer::from_gguf(*file));
  return out;
}

Result<ReadyBackend> start_backend(const std::shared_ptr<const model::Model>& model, const Demand& demand,
                                   const Console& console) {
  ASSIGN_OR_RETURN(Choice choice, choose(backends(), *model, demand));
  Candidate& taken = choice.candidate;
  if (!choice.why.empty()) console.note(fmt::format("backend {}: {}", taken.entry->name, choice.why));
  if (const std::string note = context_note(demand, *taken.plan); !note.empty()) console.note(note);
  taken.options.progress = [&console](int64_t done, int64_t total) {
    console.progress(fmt::format("loading: {} %", total > 0 ? done * 100 / total : 100));
  };
  auto backend = taken.entry->factory->make(model, taken.options);
  console.progress("");
  if (!backend) return tl::make_unexpected(std::move(backend).error());
  return ReadyBackend{*std::move(backend), taken.entry, std::move(taken.device), taken.plan->n_ctx};
}

}  // namespace tercet::cli
