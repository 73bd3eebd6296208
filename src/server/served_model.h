// Owns what the APIs need to know of the model that is served; nothing in it changes.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "chat/chat_template.h"
#include "engine/defaults.h"
#include "gguf/gguf.h"
#include "server/answer_form.h"
#include "tokenizer/tokenizer.h"

namespace tercet::server {

struct ServedModel {
  std::string name;     // --alias, or the file's own
  int64_t created = 0;  // seconds of the epoch: when it was loaded
  std::string backend, device;
  int n_ctx = 0;  // of each request
  int n_ctx_train = 0;
  int n_vocab = 0;
  int n_parallel = 0;
  double time_limit_s = 0;  // of each request; 0: none
  const tokenizer::Tokenizer* tokenizer = nullptr;
  std::unique_ptr<const chat::Template> chat_template;  // null: the file has none
  std::string chat_template_source;
  std::string bos_token, eos_token;  // their texts
  engine::ModelDefaults defaults;
  std::string receipt;  // what /receipt answers, as JSON: a contract's receipt and its verification; empty: none

  std::shared_ptr<Grammars> grammars = std::make_shared<Grammars>();

  // Whether the template knows of thoughts.
  bool has_thinking() const { return chat_template_source.find("<think>") != std::string::npos; }
  // Whether the template teaches calls as <function=NAME>; else as JSON.
  bool has_xml_calls() const { return chat_template_source.find("<function=") != std::string::npos; }
};

// The part that comes from the file. Both must outlive the result. Errors: those of the template's text and of the
// sampling defaults.
Result<ServedModel> describe_model(const gguf::File& file, const tokenizer::Tokenizer& tokenizer);

// The sampling values in effect for a request that gives none.
boost::json::object default_sampling(const ServedModel& model);

}  // namespace tercet::server
