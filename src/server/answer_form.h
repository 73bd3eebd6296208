// Owns the forms that a request may want its answer in: JSON, JSON of a schema, calls of tools. They become grammars, which
// are kept: an agent asks for the same again and again.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"
#include "grammar/grammar.h"
#include "server/fields.h"

namespace tercet::server {

struct ChatInput;
struct ServedModel;

struct AnswerForm {
  enum class Kind { kText, kObject, kSchema };
  Kind kind = Kind::kText;
  boost::json::value schema = {};  // kSchema
  std::string path = {};           // where it stands in the request
};

// `response_format` of chat completions: text, json_object (with a `schema` beside it, as llama-server takes it), or
// json_schema. Errors: kInvalidArgument.
Result<AnswerForm> read_response_format(const Fields& fields);
// `text.format` of the Responses API: the same, flat.
Result<AnswerForm> read_text_format(const Fields& fields);

// Any thread.
class Grammars {
 public:
  using Build = std::function<Result<grammar::NodeId>(grammar::GrammarBuilder& builder)>;

  // The tokens' trie, made when it is first wanted.
  void prepare(const tokenizer::Tokenizer& tokenizer, int n_vocab);
  // The grammar that `build` makes, or made when it was last asked for by this key.
  Result<std::shared_ptr<const grammar::Grammar>> get(const std::string& key, const Build& build);

 private:
  static constexpr size_t kMaxKept = 32;
  std::mutex mutex_;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;
  std::list<std::pair<std::string, std::shared_ptr<const grammar::Grammar>>> kept_;  // the last used first
};

// What the answer has to be, or null where it may be anything. `in_reasoning`: the prompt has begun the thoughts. Errors:
// those of the schema, beginning with its path.
Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(const ChatInput& input, const ServedModel& model,
                                                               bool in_reasoning);

}  // namespace tercet::server
