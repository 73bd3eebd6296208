// What a template finds around it: the context's values and the functions that transformers gives.
#include <boost/json.hpp>

#include "chat/interpreter.h"

namespace tercet::chat {
namespace {

Result<Value> raise_exception(Interpreter& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("raise_exception", std::move(args), {"message!"}));
  ASSIGN_OR_RETURN(const std::string message, self.text(*bound.get(0)));
  return wrong("{}", message);
}

Result<Value> make_range(Interpreter& self, CallArgs args) {
  if (args.positional.empty() || args.positional.size() > 3 || !args.named.empty())
    return wrong("range: want 1 to 3 arguments");
  Int bounds[3] = {0, 0, 1};
  const bool only_stop = args.positional.size() == 1;
  for (size_t i = 0; i < args.positional.size(); ++i) {
    const std::optional<Int> bound = args.positional[i].as_int();
    if (!bound) return wrong("range: an argument is of type {}, want int", type_name(args.positional[i]));
    bounds[only_stop ? 1 : i] = *bound;
  }
  return self.range(bounds[0], bounds[1], bounds[2]);
}

// What Python's datetime does itself, for a time without a zone.
std::string without_zone_and_fraction(std::string_view format) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const char directive = format[++i];
    if (directive == 'f') {
      out += "000000";
    } else if (directive != 'z' && directive != 'Z') {
      out += '%';
      out += directive;
    }
  }
  return out;
}

}  // namespace

Result<Value> Interpreter::make_dict(CallArgs args) {
  DictObj made;
  if (args.positional.size() > 1) return wrong("dict: {} arguments, want at most 1", args.positional.size());
  if (!args.positional.empty()) {
    if (const Dict* from = args.positional[0].as<Dict>()) {
      for (const auto& [key, value] : (*from)->entries) RETURN_IF_ERROR(put(made, key, value));
    } else {
      ASSIGN_OR_RETURN(const std::vector<Value> pairs, iterate(args.positional[0]));
      for (const Value& pair : pairs) {
        ASSIGN_OR_RETURN(const std::vector<Value> entry, iterate(pair));
        if (entry.size() != 2) return wrong("dict: an item of {} values, want 2", entry.size());
        RETURN_IF_ERROR(put(made, entry[0], entry[1]));
      }
    }
  }
  for (auto& [name, value] : args.named) {
    ASSIGN_OR_RETURN(Value key, string(name));
    RETURN_IF_ERROR(put(made, std::move(key), std::move(value)));
  }
  return dict(std::move(made));
}

Result<Value> Interpreter::make_namespace(CallArgs args) {
  ASSIGN_OR_RETURN(const Value from, make_dict(std::move(args)));
  auto made = std::make_shared<NamespaceObj>();
  for (const auto& [key, value] : (*from.as<Dict>())->entries) {
    if (!key.is<Str>()) return wrong("namespace: a name is of type {}, want str", type_name(key));
    RETURN_IF_ERROR(made->charge.grow(budget(), sizeof(Value) + key.text()->size()));
    made->attributes.emplace_back(*key.text(), value);
  }
  RETURN_IF_ERROR(made->charge.grow(budget(), sizeof(NamespaceObj)));
  keep(made);
  return Value(Namespace(std::move(made)));
}

Result<Value> Interpreter::format_now(CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("strftime_now", std::move(args), {"format!"}));
  ASSIGN_OR_RETURN(const std::string format, bound.string(0));
  constexpr size_t kMaxFormat = 1000;
  if (format.size() > kMaxFormat) return error(Code::kLimit, "strftime_now: a format over {} bytes", kMaxFormat);
  // A mark at the end tells an empty result from one that does not fit.
  const std::string marked = without_zone_and_fraction(format) + "|";
  std::string out(64 * kMaxFormat, '\0');
  const size_t n = std::strftime(out.data(), out.size(), marked.c_str(), &now_);
  if (n == 0) return error(Code::kLimit, "strftime_now: the result is too long");
  out.resize(n - 1);
  return string(std::move(out));
}

Status Interpreter::set_globals(Scope& scope) {
  using Function = Result<Value> (*)(Interpreter&, CallArgs);
  struct Global {
    const char* name;
    Function run;
  };
  static constexpr Global kGlobals[] = {
      {"dict", [](Interpreter& self, CallArgs args) { return self.make_dict(std::move(args)); }},
      {"namespace", [](Interpreter& self, CallArgs args) { return self.make_namespace(std::move(args)); }},
      {"raise_exception", raise_exception},
      {"range", make_range},
      {"strftime_now", [](Interpreter& self, CallArgs args) { return self.format_now(std::move(args)); }},
  };
  for (const Global& global : kGlobals) {
    const auto symbol = ast_.symbols.find(global.name);
    if (symbol == ast_.symbols.end()) continue;
    ASSIGN_OR_RETURN(Value function, callable(global.name, global.run));
    scope.names.insert_or_assign(symbol->second, std::move(function));
  }
  return {};
}

Result<Value> Interpreter::from_json(const boost::json::value& json, int depth) {
  if (depth > kMaxValueDepth)
    return error(Code::kLimit, "the limit kMaxValueDepth ({}) is reached in the context", kMaxValueDepth);
  switch (json.kind()) {
    case boost::json::kind::null:
      return Value(None{});
    case boost::json::kind::bool_:
      return Value(json.get_bool());
    case boost::json::kind::int64:
      return Value(Int{json.get_int64()});
    case boost::json::kind::uint64:
      return Value(Int{json.get_uint64()});
    case boost::json::kind::double_:
      return Value(json.get_double());
    case boost::json::kind::string:
      return string(std::string(json.get_string()));
    case boost::json::kind::array: {
      std::vector<Value> items;
      items.reserve(json.get_array().size());
      for (const boost::json::value& item : json.get_array()) {
        ASSIGN_OR_RETURN(Value value, from_json(item, depth + 1));
        items.push_back(std::move(value));
      }
      return list(std::move(items));
    }
    case boost::json::kind::object: {
      DictObj made;
      for (const auto& [key, item] : json.get_object()) {
        ASSIGN_OR_RETURN(Value name, string(std::string(key)));
        ASSIGN_OR_RETURN(Value value, from_json(item, depth + 1));
        made.set(std::move(name), std::move(value));
      }
      return dict(std::move(made));
    }
  }
  return Value();
}

Interpreter::Interpreter(const Ast& ast, Budget& budget, const std::tm& now) : Runtime(budget), ast_(ast), now_(now) {}

Interpreter::~Interpreter() {
  // Emptied one by one while all are alive, so that no chain of them dies recursively.
  for (const auto& space : namespaces_) {
    const auto attributes = std::exchange(space->attributes, {});
  }
  for (const ScopePtr& scope : captured_) {
    const auto names = std::exchange(scope->names, {});
  }
}

Result<std::string> Interpreter::run(const boost::json::object& context) {
  ASSIGN_OR_RETURN(const ScopePtr globals, new_scope(nullptr));
  RETURN_IF_ERROR(set_globals(*globals));
  ASSIGN_OR_RETURN(const ScopePtr top, new_scope(globals));
  for (const auto& [name, json] : context) {
    const auto symbol = ast_.symbols.find(std::string(name));
    if (symbol == ast_.symbols.end()) continue;
    ASSIGN_OR_RETURN(Value value, from_json(json, 0));
    top->names.insert_or_assign(symbol->second, std::move(value));
  }
  Output output;
  output_ = &output;
  const Within within(*this, top);
  RETURN_IF_ERROR(exec(ast_.body));
  return std::move(output.text);
}

}  // namespace tercet::chat
