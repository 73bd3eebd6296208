// Owns the grammar of tool calls, in the forms that chat's AnswerParser reads.
#pragma once

#include <boost/json/array.hpp>
#include <string>

#include "base/result.h"
#include "grammar/grammar.h"

namespace tercet::grammar {

struct ToolCallOptions {
  bool is_xml = true;       // <function=NAME> with parameters; else {"name": NAME, "arguments": {...}}
  bool is_parallel = true;  // several calls, one after the other; else one
  std::string name = {};    // only this tool; empty: any of them
};

// One call or more and nothing else. `tools` are normalised (chat/messages.h). What of a tool's schema cannot be enforced
// is left out; where all of them together are too large, only the tools' names are. Errors: kInvalidArgument where there is
// no tool that can be called.
Result<NodeId> add_tool_calls(GrammarBuilder& builder, const boost::json::array& tools, const ToolCallOptions& options);

}  // namespace tercet::grammar
