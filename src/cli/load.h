// Owns the way from a file's name to a backend that is ready to run it: first what is cheap and can be refused, then what
// takes memory.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "base/result.h"
#include "cli/backends.h"
#include "cli/common.h"
#include "cli/console.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace tercet::cli {

// A model whose file was read and checked. Its weights are mapped, not read.
struct OpenModel {
  std::shared_ptr<const model::Model> model;
  std::unique_ptr<const tokenizer::Tokenizer> tokenizer;  // null if the file has no vocabulary (models for measuring)
};

// Opens -m's file or the demo. Errors: those of gguf::File, model::load_model and Tokenizer.
Result<OpenModel> open_model(const Common& common);

struct ReadyBackend {
  std::unique_ptr<backend::Backend> backend;
  const BackendEntry* entry;
  backend::DeviceInfo device;
  int n_ctx = 0;  // tokens that each of its sequences may have
};

// Chooses a device, sees that the model fits before it takes memory, and brings the weights in. Says on the console what
// was chosen for the user, and why. Errors: choose()'s, the backend's.
Result<ReadyBackend> start_backend(const std::shared_ptr<const model::Model>& model, const Demand& demand,
                                   const Console& console);

}  // namespace tercet::cli
