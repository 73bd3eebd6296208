// Calls: arguments, macros, and the variable `loop`, which is called and asked.
#include <algorithm>

#include "chat/interpreter.h"

namespace tercet::chat {

Result<CallArgs> Interpreter::arguments(const Arguments& args) {
  CallArgs out;
  for (const Expr* expr : args.positional) {
    ASSIGN_OR_RETURN(Value value, eval(*expr));
    out.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : args.named) {
    ASSIGN_OR_RETURN(Value value, eval(*expr));
    out.named.emplace_back(name, std::move(value));
  }
  if (args.more_positional != nullptr) {
    ASSIGN_OR_RETURN(const Value more, eval(*args.more_positional));
    ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(more));
    out.positional.insert(out.positional.end(), items.begin(), items.end());
  }
  if (args.more_named != nullptr) {
    ASSIGN_OR_RETURN(const Value more, eval(*args.more_named));
    const Dict* dict = more.as<Dict>();
    if (dict == nullptr) return wrong("** wants a mapping, not {}", type_name(more));
    constexpr size_t kMaxNamed = 1000;
    if ((*dict)->entries.size() > kMaxNamed) return error(Code::kLimit, "** of over {} arguments", kMaxNamed);
    for (const auto& [key, value] : (*dict)->entries) {
      if (!key.is<Str>()) return wrong("** wants keys that are str");
      if (out.find(*key.text()) != nullptr) return wrong("argument '{}' is there twice", *key.text());
      out.named.emplace_back(*key.text(), value);
    }
  }
  return out;
}

Result<Value> Interpreter::call(const Value& callee, CallArgs args) {
  if (callee.is<Undefined>()) return tl::make_unexpected(undefined_error(callee));
  if (const Callable* function = callee.as<Callable>()) {
    const Callable alive = *function;
    return alive->run(*this, std::move(args));
  }
  if (const Loop* loop = callee.as<Loop>()) return loop_again(*loop, std::move(args));
  return wrong("a value of type {} can't be called", type_name(callee));
}

Result<Value> Interpreter::make_macro(const MacroDef& macro) {
  if (captured_.empty() || captured_.back() != scope_) {
    captured_.push_back(scope_);
    RETURN_IF_ERROR(scope_->charge.grow(budget(), sizeof(ScopePtr)));
  }
  std::vector<Value> names;
  for (const MacroDef::Parameter& parameter : macro.parameters) {
    ASSIGN_OR_RETURN(Value name, string(parameter.name));
    names.push_back(std::move(name));
  }
  ASSIGN_OR_RETURN(Value name, macro.name.empty() ? Result<Value>(Value(None{})) : string(macro.name));
  ASSIGN_OR_RETURN(Value parameters, tuple(std::move(names)));
  return callable(macro.name,
                  [&macro, closure = scope_](Interpreter& self, CallArgs args) {
                    return self.call_macro(macro, closure, std::move(args));
                  },
                  1, true,
                  {{"name", std::move(name)},
                   {"arguments", std::move(parameters)},
                   {"catch_kwargs", Value(macro.uses_kwargs)},
                   {"catch_varargs", Value(macro.uses_varargs)},
                   {"caller", Value(macro.uses_caller)}});
}

Status Interpreter::bind_parameters(const MacroDef& macro, Scope& scope, CallArgs& args, std::vector<bool>& given) {
  const size_t n_positional = std::min(args.positional.size(), macro.parameters.size());
  for (size_t i = 0; i < n_positional; ++i) {
    scope.names.insert_or_assign(macro.parameters[i].symbol, args.positional[i]);
    given[i] = true;
  }
  const auto take = [&args](std::string_view name) -> std::optional<Value> {
    for (auto it = args.named.begin(); it != args.named.end(); ++it) {
      if (it->first != name) continue;
      Value value = std::move(it->second);
      args.named.erase(it);
      return value;
    }
    return std::nullopt;
  };
  for (size_t i = n_positional; i < macro.parameters.size(); ++i) {
    if (std::optional<Value> value = take(macro.parameters[i].name)) {
      scope.names.insert_or_assign(macro.parameters[i].symbol, *std::move(value));
      given[i] = true;
    }
  }
  if (macro.uses_caller) {
    std::optional<Value> caller = take("caller");
    scope.names.insert_or_assign(ast_.symbols.at("caller"),
                                 caller && !caller->is<None>() ? *std::move(caller) : undefined("there is no caller"));
  }
  return bind_rest(macro, scope, args);
}

// `kwargs` and `varargs`, for a macro whose text names them.
Status Interpreter::bind_rest(const MacroDef& macro, Scope& scope, CallArgs& args) {
  const size_t n_positional = std::min(args.positional.size(), macro.parameters.size());
  if (macro.uses_kwargs) {
    DictObj rest;
    for (auto& [name, value] : args.named) {
      ASSIGN_OR_RETURN(Value key, string(name));
      RETURN_IF_ERROR(put(rest, std::move(key), std::move(value)));
    }
    ASSIGN_OR_RETURN(Value kwargs, dict(std::move(rest)));
    scope.names.insert_or_assign(ast_.symbols.at("kwargs"), std::move(kwargs));
  } else if (!args.named.empty()) {
    return wrong("macro '{}' takes no argument '{}'", macro.name, args.named[0].first);
  }
  if (macro.uses_varargs) {
    ASSIGN_OR_RETURN(Value rest,
                     tuple({args.positional.begin() + static_cast<ptrdiff_t>(n_positional), args.positional.end()}));
    scope.names.insert_or_assign(ast_.symbols.at("varargs"), std::move(rest));
  } else if (args.positional.size() > n_positional) {
    return wrong("macro '{}' takes {} arguments, not {}", macro.name, macro.parameters.size(), args.positional.size());
  }
  return {};
}

Result<Value> Interpreter::call_macro(const MacroDef& macro, const ScopePtr& closure, CallArgs args) {
  const Deeper deeper(depth_, kCallLevels);
  ASSIGN_OR_RETURN(const ScopePtr scope, new_scope(closure));
  RETURN_IF_ERROR(scope->charge.grow(budget(), macro.parameters.size() * 2 * sizeof(Value)));
  std::vector<bool> given(macro.parameters.size(), false);
  RETURN_IF_ERROR(bind_parameters(macro, *scope, args, given));
  {
    const Within within(*this, scope);
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i]) continue;
      const MacroDef::Parameter& parameter = macro.parameters[i];
      Value value = undefined(fmt::format("parameter '{}' was not provided", parameter.name));
      if (parameter.fallback != nullptr) {
        ASSIGN_OR_RETURN(value, eval(*parameter.fallback));
      }
      RETURN_IF_ERROR(store(parameter.symbol, value));
    }
  }
  std::string body;
  RETURN_IF_ERROR(capture(macro.body, scope, body));
  return string(std::move(body));
}

// ---- loop

// Is there an item `index`? Takes more of the source until there is.
Result<bool> Interpreter::fill(LoopObj& loop, size_t index) {
  while (loop.items.size() <= index && loop.next_source < loop.source.size() && loop.outer != nullptr) {
    const Value& item = loop.source[loop.next_source++];
    ASSIGN_OR_RETURN(ScopePtr scope, new_scope(loop.outer));
    const Within within(*this, std::move(scope));
    RETURN_IF_ERROR(assign(*loop.stmt->target, item));
    ASSIGN_OR_RETURN(const Value passed, eval(*loop.stmt->test));
    if (truthy(passed)) loop.items.push_back(item);
  }
  return index < loop.items.size();
}

Result<Value> Interpreter::loop_attribute(const Loop& loop, std::string_view name) {
  const auto number = [](size_t n) { return Value::integer(static_cast<int64_t>(n)); };
  if (name == "index0") return number(loop->index0);
  if (name == "index") return number(loop->index0 + 1);
  if (name == "first") return Value(loop->index0 == 0);
  if (name == "depth0") return number(static_cast<size_t>(loop->depth0));
  if (name == "depth") return number(static_cast<size_t>(loop->depth0) + 1);
  if (name == "previtem") {
    return loop->index0 == 0 ? undefined("there is no previous item") : loop->items[loop->index0 - 1];
  }
  if (name == "last" || name == "nextitem") {
    ASSIGN_OR_RETURN(const bool more, fill(*loop, loop->index0 + 1));
    if (name == "last") return Value(!more);
    return more ? loop->items[loop->index0 + 1] : undefined("there is no next item");
  }
  if (name == "length" || name == "revindex" || name == "revindex0") {
    RETURN_IF_ERROR(fill(*loop, SIZE_MAX - 1));
    const size_t length = loop->items.size();
    if (name == "length") return number(length);
    return number(length - loop->index0 - (name == "revindex0" ? 1 : 0));
  }
  if (name == "cycle") return loop_cycle(loop);
  if (name == "changed") return loop_changed(loop);
  return undefined(fmt::format("'loop' has no attribute '{}'", name));
}

Result<Value> Interpreter::loop_cycle(const Loop& loop) {
  return callable(
      "cycle",
      [loop](Interpreter&, CallArgs args) -> Result<Value> {
        if (args.positional.empty() || !args.named.empty()) return wrong("loop.cycle: no items to cycle through");
        return args.positional[loop->index0 % args.positional.size()];
      },
      loop->depth + 1);
}

Result<Value> Interpreter::loop_changed(const Loop& loop) {
  return callable(
      "changed",
      [loop](Interpreter& self, CallArgs args) -> Result<Value> {
        if (!args.named.empty()) return wrong("loop.changed: it takes no named arguments");
        for (const Value& value : args.positional) RETURN_IF_ERROR(self.budget().spend(weight_of(value)));
        const bool changed =
            !loop->last_changed || loop->last_changed->size() != args.positional.size() ||
            !std::equal(args.positional.begin(), args.positional.end(), loop->last_changed->begin(), equals);
        if (changed) loop->last_changed = std::move(args.positional);
        return Value(changed);
      },
      loop->depth + 1);
}

// `loop(children)`: the body of a recursive loop once more, on other items.
Result<Value> Interpreter::loop_again(const Loop& loop, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("loop", std::move(args), {"iterable!"}));
  if (!loop->stmt->recursive) return wrong("loop: the loop is not marked 'recursive'");
  if (loop->outer == nullptr) return wrong("loop: the loop is over");
  const Deeper deeper(depth_, kCallLevels);
  const ScopePtr outer = loop->outer;
  Output captured;
  Output* const saved = std::exchange(output_, &captured);
  const Result<Flow> flow = run_loop(*loop->stmt, *bound.get(0), loop->depth0 + 1, outer);
  output_ = saved;
  if (!flow) return tl::make_unexpected(flow.error());
  return string(std::move(captured.text));
}

}  // namespace tercet::chat
