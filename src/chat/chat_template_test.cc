#include "chat/chat_template.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "chat/chat.h"

namespace tercet::chat {
namespace {

Result<std::string> render(std::string_view source, const boost::json::object& context = {},
                           const Limits& limits = {}) {
  auto parsed = Template::parse(source, "t");
  if (!parsed) return tl::make_unexpected(parsed.error());
  RenderOptions options;
  options.limits = limits;
  return (*parsed)->render(context, options);
}

void expect_error(std::string_view source, Code code, std::string_view message, const Limits& limits = {}) {
  const Result<std::string> got = render(source, {}, limits);
  ASSERT_FALSE(got.has_value()) << source.substr(0, 200) << " gives " << got->substr(0, 200);
  EXPECT_EQ(code_name(got.error().code), code_name(code)) << got.error().message;
  EXPECT_NE(got.error().message.find(message), std::string::npos) << got.error().message << "\n  want: " << message;
}

std::string repeated(std::string_view text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

TEST(ChatTemplate, ErrorsQuoteTheLine) {
  const auto message = [](std::string_view source) { return render(source).error().message; };
  EXPECT_EQ(message("a\nb\n  {{ x | foo }}  \nc"),
            "chat template 't', line 3: filter 'foo' is unknown: \"{{ x | foo }}\"");
  EXPECT_EQ(message("{% for i in [1] %}\n{{ i is foo }}{% endfor %}"),
            "chat template 't', line 2: test 'foo' is unknown: \"{{ i is foo }}{% endfor %}\"");
  EXPECT_EQ(message("x\n{{ a.b }}"), "chat template 't', line 2: 'a' is undefined: \"{{ a.b }}\"");
  EXPECT_EQ(message("{% if true %}\n\n{{ raise_exception('roles\nmust alternate') }}{% endif %}"),
            "chat template 't', line 3: roles must alternate: \"{{ raise_exception('roles\"");
  EXPECT_EQ(message("{{ [\n1,\n2 + 'a'] }}"),
            "chat template 't', line 3: operator + is not for values of type int and str: \"2 + 'a'] }}\"");
  EXPECT_EQ(
      message("\n{% block x %}{% endblock %}"),
      "chat template 't', line 2: tag 'block' is not supported in a chat template: \"{% block x %}{% endblock %}\"");
  EXPECT_EQ(message("{% macro m() %}\n{{ 1 / 0 }}\n{% endmacro %}\n{{ m() }}"),
            "chat template 't', line 2: division by zero: \"{{ 1 / 0 }}\"");
  EXPECT_EQ(message("{{ 1 }}\r\n{{ 'é\x01' $ }}"),
            "chat template 't', line 2: unexpected character '$': \"{{ 'é ' $ }}\"");
}

TEST(ChatTemplate, ErrorsHaveTheirCodes) {
  expect_error("{{ 1", Code::kCorrupt, "want '}}'");
  expect_error("{% if true %}", Code::kCorrupt, "the template ends, want 'elif' or 'else' or 'endif'");
  expect_error("{{ x | foo }}", Code::kUnsupported, "filter 'foo' is unknown");
  expect_error("{% include 'x' %}", Code::kUnsupported, "tag 'include'");
  expect_error("{{ 'a'.encode() }}", Code::kUnsupported, "method 'encode' of str");
  expect_error("{{ {}.fromkeys('a') }}", Code::kUnsupported, "method 'fromkeys' of dict");
  expect_error("{{ (1).real }}", Code::kUnsupported, "attribute 'real'");
  expect_error("{{ '\\N{DASH}' }}", Code::kCorrupt, "\\N");
  expect_error("{{ '\\ud800' }}", Code::kCorrupt, "names no character");
  expect_error("{{ [].append(1) }}", Code::kInvalidArgument, "access to attribute 'append' of 'list object' is unsafe");
  expect_error("{{ raise_exception('no') }}", Code::kInvalidArgument, "line 1: no: ");
  expect_error("{{ 170141183460469231731687303715884105728 }}", Code::kUnsupported, "beyond 128 bits");
}

TEST(ChatTemplate, LongLinesAreCut) {
  const std::string message = render("{{ x | foo }}" + repeated("é", 5000)).error().message;
  EXPECT_LT(message.size(), 400u);
  EXPECT_NE(message.find("..."), std::string::npos);
}

// ---- what a hostile template meets

TEST(ChatTemplateLimits, NestingOfTheText) {
  for (const std::string_view opening :
       {"(", "[", "{{ (", "{% if x %}", "{% for i in x %}", "{{ not ", "{{ - ", "{{ x if ", "{{ {1:", "{{ a[", "{{ f(",
        "{{ x is x ", "{% macro m() %}", "{% filter upper %}", "{% set x %}", "{% call f() %}", "{{ x if y else ",
        "{{ a is divisibleby a("}) {
    const std::string inner = opening.starts_with("{{ ") ? std::string(opening.substr(3)) : std::string(opening);
    const bool statement = opening.starts_with("{%");
    const std::string source = (statement ? "" : "{{ ") + repeated(inner, 200'000 / inner.size());
    const Result<std::string> got = render(source);
    ASSERT_FALSE(got.has_value()) << opening;
    EXPECT_LT(got.error().message.size(), 500u);
  }
  expect_error("{{ " + repeated("(", 1'000'000), Code::kLimit, "kMaxNesting");
  expect_error("{{ " + repeated("not ", 200'000), Code::kLimit, "kMaxNesting");
  expect_error(repeated("{% if x %}", 50'000), Code::kLimit, "kMaxNesting");
}

TEST(ChatTemplateLimits, LongChains) {
  for (const std::string_view link : {" + 1", ".a", "[0]", "|abs", "()", " ** 1", " and 1", " or 1", " if 1", " * 1"}) {
    expect_error("{{ 1" + repeated(link, 100'000) + " }}", Code::kLimit, "kMaxHeight");
  }
  // These are wide and not deep.
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 20'000) + " }}")->size(), 20'001u);
  EXPECT_EQ(*render("{{ 1" + repeated(" < 2 != 1", 10'000) + " }}"), "True");
  EXPECT_EQ(*render("{{ [" + repeated("1, ", 20'000) + "] | length }}"), "20000");
  EXPECT_EQ(*render("{% if 0 %}" + repeated("{% elif 0 %}", 20'000) + "{% else %}x{% endif %}"), "x");
}

TEST(ChatTemplateLimits, SizeOfTheText) {
  expect_error(std::string(kMaxSourceBytes + 1, 'a'), Code::kLimit, "want at most");
}

TEST(ChatTemplateLimits, Memory) {
  Limits limits;
  limits.max_memory_bytes = 8u << 20;
  for (const char* source :
       {"{{ 'a' * 10**9 }}", "{{ [0] * 10**9 }}", "{{ 10**9 * 'a' * 10**9 }}", "{{ 'a'.ljust(10**12) }}",
        "{{ 'a'.center(10**30) }}", "{{ '1'.zfill(10**12) }}",
        "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set a = 'a' * 10**5 %}{{ a.replace('a', a) }}", "{% set a = 'a' * 10**5 %}{{ a | replace('', a) }}",
        "{% set a = ' ' * 10**6 %}{{ ('x\n' * 10**4) | indent(a) }}",
        "{% set a = 'a' * 10**6 %}{{ a.join('b' * 10**4) }}", "{% set a = 'a' * 10**6 %}{{ range(10000) | join(a) }}",
        "{{ ('%1000000d' * 1000) % ((1,) * 1000) }}", "{{ ('{:1000000}' * 1000).format(*([1] * 1000)) }}",
        "{{ ('\t' * 10**5).expandtabs(1000) }}",
        "{% set x %}{% for i in range(100000) %}{{ 'a' * 10**4 }}{% endfor %}{% endset %}"}) {
    const Result<std::string> got = render(source, {}, limits);
    ASSERT_FALSE(got.has_value()) << source;
    EXPECT_EQ(code_name(got.error().code), "limit") << got.error().message;
  }
  // What is dropped is given back.
  EXPECT_TRUE(render("{% for i in range(100) %}{% set x = 'a' * 10**6 %}{% endfor %}", {}, limits).has_value());
}

TEST(ChatTemplateLimits, Output) {
  expect_error("{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}", Code::kLimit, "max_output_bytes");
  Limits limits;
  limits.max_output_bytes = 10;
  EXPECT_EQ(*render("{{ 'a' * 10 }}", {}, limits), "aaaaaaaaaa");
  expect_error("{{ 'a' * 11 }}", Code::kLimit, "max_output_bytes (10)", limits);
}

TEST(ChatTemplateLimits, Steps) {
  Limits limits;
  limits.max_steps = 300'000;
  const std::string loops = repeated("{% for i in range(100000) %}", 5) + repeated("{% endfor %}", 5);
  expect_error(loops, Code::kLimit, "max_steps", limits);
  expect_error("{% macro m(n) %}{{ m(n - 1) if n }}{{ m(n - 1) if n }}{% endmacro %}{{ m(60) }}", Code::kLimit,
               "max_steps", limits);
  // Shared lists that are small in memory and endless to walk.
  for (const char* use :
       {"{{ ns.x }}", "{{ ns.x | tojson }}", "{{ ns.x == ns.y }}", "{{ {(ns.x,): 1}[(ns.y,)] }}",
        "{{ ns.x in [ns.y] }}", "{{ [ns.x] | unique | list }}", "{{ [ns.x, ns.y] | sort }}", "{{ ns.x < ns.y }}"}) {
    const std::string source =
        std::string(
            "{% set ns = namespace(x=(1,), y=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}"
            "{% set ns.y = (ns.y, ns.y) %}{% endfor %}") +
        use;
    const Result<std::string> got = render(source, {}, limits);
    ASSERT_FALSE(got.has_value()) << source;
    EXPECT_EQ(code_name(got.error().code), "limit") << got.error().message;
  }
  limits.max_steps = 100;
  expect_error("{% for i in range(1000) %}{% endfor %}", Code::kLimit, "max_steps (100)", limits);
}

TEST(ChatTemplateLimits, Depth) {
  expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", Code::kLimit, "max_depth");
  expect_error("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}", Code::kLimit,
               "max_depth");
  expect_error("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", Code::kLimit, "max_depth");
  expect_error("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}",
               Code::kLimit, "kMaxValueDepth");
  expect_error("{% set ns = namespace(x={}) %}{% for i in range(1000) %}{% set ns.x = {1: ns.x} %}{% endfor %}",
               Code::kLimit, "kMaxValueDepth");
  expect_error("{% set ns = namespace(x=[1]) %}{% for i in range(1000) %}{% set ns.x = [ns.x | select] %}{% endfor %}",
               Code::kLimit, "kMaxValueDepth");
  // A chain of namespaces, long but no list: it is let be, and must die without recursion.
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% for i in range(50000) %}{% set n = namespace(next=ns.x) %}{% set ns.x = n %}"
             "{% endfor %}")
          .has_value());
  expect_error(
      "{% set ns = namespace() %}{% for i in range(500) %}{% set n = namespace(next=ns.x) %}{% set ns.x = n %}{% "
      "endfor %}"
      "{{ ns }}",
      Code::kLimit, "kMaxValueDepth");
}

TEST(ChatTemplateLimits, Numbers) {
  expect_error("{{ range(10**12) }}", Code::kLimit, "kMaxRange");
  expect_error("{{ range(-10**37, 10**37) }}", Code::kLimit, "range");
  expect_error("{{ 10 ** 100 }}", Code::kLimit, "beyond 128 bits");
  expect_error("{{ 2 ** 10**30 }}", Code::kLimit, "beyond 128 bits");
  expect_error("{% set m = -(2 ** 126) * 2 %}{{ -m }}", Code::kLimit, "beyond 128 bits");
  expect_error("{% set m = -(2 ** 126) * 2 %}{{ m // -1 }}", Code::kLimit, "beyond 128 bits");
  EXPECT_EQ(*render("{% set m = -(2 ** 126) * 2 %}{{ m }} {{ m % -1 }}"), "-170141183460469231731687303715884105728 0");
  expect_error("{% set m = -(2 ** 126) * 2 %}{{ m | abs }}", Code::kLimit, "beyond 128 bits");
  EXPECT_EQ(*render("{{ [1, 2][10**37] }}{{ 'ab'[-10**37:10**37:10**37] }}"), "a");
  EXPECT_EQ(*render("{{ 1e308 * 10 }}"), "inf");
  expect_error("{{ ('9' * 5000) | int }}", Code::kLimit, "beyond 128 bits");
}

TEST(ChatTemplateLimits, RingsOfObjectsAreFreed) {
  // The leak checker of the sanitizer build is what makes this test bite.
  EXPECT_EQ(
      *render("{% set ns = namespace() %}{% set ns.a = ns %}{% macro m() %}{{ m }}{% endmacro %}{% set ns.m = m %}"
              "{% for i in [1] %}{% set ns.l = loop %}{% macro k() %}{{ k }}{{ loop }}{% endmacro %}{% set ns.k = k "
              "%}{% endfor %}x"),
      "x");
}

TEST(ChatTemplate, InvalidUtf8PassesThrough) {
  boost::json::object context;
  context["x"] = "a\xff\xc3(\xf0\x9f\x99";
  EXPECT_EQ(*render("{{ x }}|{{ x | length }}|{{ x[1] }}|{{ x | upper }}|{{ x | tojson }}", context),
            "a\xff\xc3(\xf0\x9f\x99|7|\xff|A\xff\xc3(\xf0\x9f\x99|\"a\xff\xc3(\xf0\x9f\x99\"");
  EXPECT_FALSE(render("{{ a\xff }}").has_value());
  EXPECT_EQ(*render("\xff\xfe"), "\xff\xfe");
}

TEST(ChatTemplate, IsRenderedAgain) {
  auto parsed = Template::parse("{% set ns = namespace(n=n) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "t");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ((*parsed)->name(), "t");
  EXPECT_EQ(*(*parsed)->render({{"n", 1}}), "2");
  EXPECT_EQ(*(*parsed)->render({{"n", 5}}), "6");
  EXPECT_FALSE((*parsed)->render({{"n", "x"}}).has_value());
  EXPECT_EQ(*(*parsed)->render({{"n", 1}}), "2");
}

TEST(Chat, GivesTheTemplateWhatTransformersGives) {
  auto parsed = Template::parse(
      "{{ bos_token }}|{{ eos_token }}|{{ tools }}|{{ documents }}|{{ add_generation_prompt }}|{{ messages | length "
      "}}|{{ enable_thinking }}",
      "t");
  ASSERT_TRUE(parsed.has_value());
  Conversation conversation;
  conversation.messages = {{{"role", "user"}, {"content", "hi"}}};
  EXPECT_EQ(*render_chat(**parsed, conversation), "||None|None|False|1|");
  conversation.eos_token = "<|im_end|>";
  conversation.add_generation_prompt = true;
  conversation.tools = {{{"type", "function"}}};
  conversation.extra = {{"enable_thinking", false}, {"bos_token", "B"}};
  EXPECT_EQ(*render_chat(**parsed, conversation), "B|<|im_end|>|[{'type': 'function'}]|None|True|1|False");
}

}  // namespace
}  // namespace tercet::chat
