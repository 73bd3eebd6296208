// Any bytes as a template, rendered with small limits: no crash, no hang, no leak. Half of the inputs are read as the
// inside of tags, where the grammar is.
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>

#include "chat/chat_template.h"

namespace {

const boost::json::object& context() {
  static const boost::json::object value = {
      {"messages", {{{"role", "system"}, {"content", "S \xc3\xa9"}}, {{"role", "user"}, {"content", nullptr}}}},
      {"tools", {{{"name", "f"}, {"parameters", {{"a", 1}, {"b", 2.5}}}}}},
      {"s", "Hello W\xc3\xb6rld"},
      {"n", 7},
      {"f", 2.5},
      {"d", {{"a", 1}, {"items", {1, 2, 3}}}},
      {"l", {3, 1, 2, "x"}},
      {"bad", "\xff\xc3"}};
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string source(reinterpret_cast<const char*>(data), size);
  if (size > 0 && (data[0] & 1) != 0) source = "{{ " + source.substr(1) + " }}";
  const auto parsed = tercet::chat::Template::parse(source, "fuzz");
  if (!parsed) return 0;
  tercet::chat::RenderOptions options;
  options.limits = {.max_steps = 20'000, .max_output_bytes = 1u << 16, .max_memory_bytes = 1u << 20, .max_depth = 200};
  options.now = std::tm{};
  (void)(*parsed)->render(context(), options);
  return 0;
}
