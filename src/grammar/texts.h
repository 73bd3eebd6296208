// Owns words of free text: what may stand around the parts that have a form.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace tercet::grammar {

// Well-formed UTF-8 up to the first `mark`, which belongs to it, and as much of `after` behind that as comes. Errors: kLimit.
Result<NodeId> add_text_until(GrammarBuilder& builder, std::string_view mark, std::string_view after = {});

// The value of a parameter in an XML call, with the mark that ends it: no text that chat's AnswerParser would take for an
// end before that.
Result<NodeId> add_parameter_text(GrammarBuilder& builder);

// `then`, after thoughts: up to </think>, and begun with <think> unless the prompt did that. Where they are not begun they
// may be left out.
Result<NodeId> add_after_thinking(GrammarBuilder& builder, NodeId then, bool is_begun);

}  // namespace tercet::grammar
