// tercet tokenize: a text's token ids and pieces, or ids back to bytes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "base/text.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/text_input.h"
#include "cli/verb.h"
#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace tercet::cli {
namespace tokenize_verb {
namespace {

namespace json = boost::json;
using tokenizer::TokenId;
using tokenizer::Tokenizer;

struct Options {
  const CLI::App* app = nullptr;
  TextInput input;
  std::vector<std::string> decode;
  const CLI::Option* decode_option = nullptr;
  bool no_special = false;
};

Result<json::object> to_json(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  json::array pieces;
  for (const TokenId id : ids) {
    ASSIGN_OR_RETURN(const std::string_view piece, tokenizer.piece(id));
    pieces.emplace_back(json_text(piece));
  }
  return json::object{{"ids", json::array(ids.begin(), ids.end())}, {"pieces", std::move(pieces)}};
}

// A line for each token: its id, and its piece with what no terminal should see escaped.
Result<std::string> to_lines(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  std::string lines;
  for (const TokenId id : ids) {
    ASSIGN_OR_RETURN(const std::string_view piece, tokenizer.piece(id));
    lines += fmt::format("{}\t{}\n", id, printable(piece, piece.size()));
  }
  return lines;
}

Status encode(const Options& options, const Tokenizer& tokenizer, bool as_json) {
  ASSIGN_OR_RETURN(const std::string text, options.input.read());
  const std::vector<TokenId> ids = tokenizer.encode(text, !options.no_special);
  if (as_json) {
    ASSIGN_OR_RETURN(const json::object object, to_json(tokenizer, ids));
    return write_json(object);
  }
  ASSIGN_OR_RETURN(const std::string lines, to_lines(tokenizer, ids));
  return write_stdout(lines);
}

Status decode(const Options& options, const Tokenizer& tokenizer, bool as_json) {
  std::string list;
  for (const std::string& word : options.decode) list += word + " ";
  ASSIGN_OR_RETURN(const std::vector<TokenId> ids, parse_ids("--decode", list));
  auto text = tokenizer.decode(ids);
  if (!text) return tl::make_unexpected(std::move(text).error());
  if (!as_json) return write_stdout(*text);
  ASSIGN_OR_RETURN(json::object object, to_json(tokenizer, ids));
  object["text"] = json_text(*text);
  return write_json(object);
}

Result<int> run(const Options& options, const Common& common) {
  ASSIGN_OR_RETURN(const CLI::Option* given, pick_one(*options.app, {options.decode_option, options.input.text_option(),
                                                                     options.input.file_option()}));
  ASSIGN_OR_RETURN(const std::string path, model_path(common));
  ASSIGN_OR_RETURN(const auto file, gguf::File::open(path));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::from_gguf(*file));
  const bool wants_decode = given != nullptr && given == options.decode_option;
  RETURN_IF_ERROR(wants_decode ? decode(options, *tokenizer, common.json) : encode(options, *tokenizer, common.json));
  return kDone;
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  options->app = &app;
  options->input.declare(app);
  options->decode_option = app.add_option("--decode", options->decode, "Token ids, to be turned back into bytes")
                               ->type_name("ID...")
                               ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_switch(app, "--no-special", options->no_special,
             "Control tokens that are written in the text, such as <|im_end|>, are text like any other");
  return [options, &common] { return run(*options, common); };
}

}  // namespace
}  // namespace tokenize_verb

const Verb kTokenize = {"tokenize", "Turn text into token ids and pieces, or ids into text",
                        "The text is taken whole, as bytes: a newline at its end counts.\n\n"
                        "Examples:\n"
                        "  tercet tokenize -p 'def add(x, y):'\n"
                        "  tercet tokenize --json < main.py\n"
                        "  tercet tokenize --decode 785 921 308",
                        tokenize_verb::declare};

}  // namespace tercet::cli
