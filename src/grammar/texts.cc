#include "grammar/texts.h"

#include "grammar/nfa.h"

namespace tercet::grammar {
namespace {

constexpr std::string_view kParameterEnd = "</parameter>";

Dfa::Table table_of(const Dfa& word) {
  Dfa::Table out;
  for (Dfa::State s = 0; s < word.n_state(); ++s) {
    out.add(word.accepts(s));
    for (size_t byte = 0; byte < 256; ++byte) out.next[s][byte] = word.next(s, static_cast<uint8_t>(byte));
  }
  return out;
}

// Words that end with the first `mark`.
Result<Dfa> until(std::string_view mark) {
  Nfa nfa;
  const auto any = nfa.star(nfa.utf8(CodePoints::all()));
  ASSIGN_OR_RETURN(const Dfa word, nfa.dfa(nfa.sequence(any, nfa.text(mark)), kMaxDfaState));
  Dfa::Table table = table_of(word);
  for (size_t s = 0; s < table.next.size(); ++s)
    if (table.accepts[s]) table.next[s].fill(Dfa::kDead);
  return Dfa(table);
}

// As much of `after` as there is, or all of it.
Dfa followed_by(const Dfa& word, std::string_view after, bool is_optional) {
  Dfa::Table table = table_of(word);
  const size_t n = table.next.size();
  for (size_t s = 0; s < n; ++s) {
    if (!table.accepts[s]) continue;
    Dfa::State at = static_cast<Dfa::State>(s);
    for (const char c : after) {
      table.accepts[at] = is_optional;
      const Dfa::State next = table.add(true);
      table.next[at][static_cast<uint8_t>(c)] = next;
      at = next;
    }
  }
  return Dfa(table);
}

}  // namespace

Result<NodeId> add_text_until(GrammarBuilder& builder, std::string_view mark, std::string_view after) {
  ASSIGN_OR_RETURN(const Dfa word, until(mark));
  return builder.add_word(followed_by(word, after, true));
}

Result<NodeId> add_parameter_text(GrammarBuilder& builder) {
  Nfa nfa;
  const auto any = [&] { return nfa.star(nfa.utf8(CodePoints::all())); };
  const auto space = nfa.star(nfa.either({nfa.text(" "), nfa.text("\n"), nfa.text("\t"), nfa.text("\r")}));
  const auto end = nfa.sequence({any(), nfa.text("</function>"), space, nfa.text("</tool_call>"), any()});
  ASSIGN_OR_RETURN(const Dfa ended, nfa.dfa(end, kMaxDfaState));
  ASSIGN_OR_RETURN(const Dfa word, until(kParameterEnd));
  ASSIGN_OR_RETURN(const Dfa value, difference(word, ended, kMaxDfaState));
  return builder.add_word(followed_by(value, "\n", false));
}

Result<NodeId> add_after_thinking(GrammarBuilder& builder, NodeId then, bool is_begun) {
  ASSIGN_OR_RETURN(const NodeId thoughts, add_text_until(builder, "</think>", "\n\n"));
  Node all{Node::Kind::kSequence};
  if (!is_begun) {
    ASSIGN_OR_RETURN(const NodeId begin, builder.add_text("<think>\n"));
    all.parts.push_back(begin);
  }
  all.parts.push_back(thoughts);
  all.parts.push_back(then);
  ASSIGN_OR_RETURN(const NodeId thinking, builder.add(std::move(all)));
  if (is_begun) return thinking;
  Node either{Node::Kind::kEither};
  either.parts = {then, thinking};
  return builder.add(std::move(either));
}

}  // namespace tercet::grammar
