// What llama.cpp's eval-callback prints, in the forms that its versions have, and what is none of it.
#include "trace/printed.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tercet::trace {
namespace {

// As newer versions print: three of each end, 12 columns, the ids of the prompt before.
constexpr std::string_view kNewer =
    "llama_context: n_ctx = 512\n"
    "0.00.145.555 I number of input tokens = 3\n"
    "0.00.145.563 I   785\n"
    "0.00.145.563 I   921\n"
    "0.00.145.564 I   308\n"
    "common_debug_cb_eval:                     embd = (f32)   GET_ROWS(token_embd.weight{8, 6144, 1, 1}, inp_tokens{3, "
    "1, 1, "
    "1}}) = {8, 3, 1, 1}\n"
    "    [\n"
    "        [\n"
    "            [     -0.0181,       0.0272,       1.0000,    ...,       0.0004,       0.5000,      -2.0000  ],\n"
    "            [      0.1000,       0.2000,       0.3000,    ...,       0.4000,       0.5000,       0.6000  ],\n"
    "            [      0.7000,       0.8000,       0.9000,    ...,       1.0000,       1.1000,       1.2000  ],\n"
    "        ],\n"
    "    ]\n"
    "    sum = 2.110600\n"
    "common_debug_cb_eval:        Vcur-0 (reshaped) = (f32)    RESHAPE(Vcur-0{4, 3, 1, 1}, }) = {2, 2, 3, 1}\n"
    "    [\n"
    "        [\n"
    "            [      9.0000,       9.0000  ],\n"
    "            [      9.0000,       9.0000  ],\n"
    "        ],\n"
    "        ..., \n"
    "    ]\n"
    "    sum = 9.0\n";

Result<PrintedTrace> parse(std::string_view text) { return PrintedTrace::parse("theirs.txt", text); }

TEST(Printed, ValuesHaveTheirPlacesBehindTheGapAsWell) {
  const auto trace = parse(kNewer);
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->tokens(), (std::vector<int32_t>{785, 921, 308}));
  ASSERT_EQ(trace->tensors().size(), 1U) << "a reshaped one is no tap";
  const PrintedTensor& t = trace->tensors().at("inp_embd");
  EXPECT_EQ(t.shape, (std::array<int64_t, 4>{8, 3, 1, 1}));
  ASSERT_EQ(t.values.size(), 18U);
  const std::vector<int64_t> wanted = {0, 1, 2, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18, 21, 22, 23};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(t.values[i].index, wanted[i]);
  EXPECT_EQ(t.values[0].value, -0.0181);
  EXPECT_EQ(t.values[5].value, -2);
  EXPECT_NEAR(t.values[0].half_unit, 5e-5, 1e-10);
}

// The first versions left out the end, and indented by the width of the head.
TEST(Printed, TheFirstVersionsForm) {
  const auto trace = parse(
      "ggml_debug:              attn_norm-12 = (f32)        MUL(norm-12{5, 1, 1, 1}, w{5, 1, 1, 1}}) = {5, 1, 1, 1}\r\n"
      "                                     [\r\n"
      "                                      [\r\n"
      "                                       [ -0.1800,   0.2817,   0.2632, ...],\r\n"
      "                                      ],\r\n"
      "                                     ]\r\n");
  ASSERT_TRUE(trace) << trace.error().message;
  const PrintedTensor& t = trace->tensors().at("attn_norm-12");
  ASSERT_EQ(t.values.size(), 3U);
  EXPECT_EQ(t.values[2].index, 2);
  EXPECT_FALSE(trace->tokens());
}

std::string head(const std::string& name, const std::string& shape) {
  return "ggml_debug: " + name + " = (f32) ADD(a{1, 1, 1, 1}, b{1, 1, 1, 1}}) = {" + shape + "}\n";
}

TEST(Printed, HeadsInThreeDimensionsAndTheLastOfAName) {
  // [d_head 2, n_head 8, n_token 8]: of heads and tokens the middle is left out.
  std::string rows;
  for (int i = 0; i < 3; ++i) rows += "[ 1.0, 2.0 ],\n";
  const std::string heads = "[\n" + rows + "..., \n" + rows + "],\n";
  std::string text = head("Qcur-0", "4, 1, 1, 1") + "[\n[\n[ 7.0, 7.0, 7.0, 7.0 ],\n],\n]\nsum = 28\n";
  text +=
      head("Qcur-0", "2, 8, 8, 1") + "[\n" + heads + heads + heads + "..., \n" + heads + heads + heads + "]\nsum = 1\n";
  const auto trace = parse(text);
  ASSERT_TRUE(trace) << trace.error().message;
  const PrintedTensor& t = trace->tensors().at("Qcur-0");
  ASSERT_EQ(t.values.size(), 72U);
  EXPECT_EQ(t.values[6].index, 10) << "head 5";
  EXPECT_EQ(t.values[36].index, 16 * 5) << "token 5";
  EXPECT_EQ(t.values.back().index, 127);
}

TEST(Printed, WhatIsBrokenIsNamedByItsLine) {
  const struct {
    std::string body, part;
  } cases[] = {
      {"[\n[\n[ 1.0, two, 3.0 ],\n],\n]\n", "t:4: tensor 'l_out-1': 'two', want numbers"},
      {"[\n[\n[ 1.0, 2.0 ],\n],\n]\n", "t:1: tensor 'l_out-1': other values than its shape has, want {3, 1, 1, 1}"},
      {"[\n[\n[ 1.0, 2.0, 3.0, 4.0 ],\n],\n]\n", "other values than its shape has"},
      {"[\n[\n[ 1.0, 2.0, 3.0 ],\n[ 1.0, 2.0, 3.0 ],\n],\n]\n", "other values than its shape has"},
      {"[\n[\n[ 1.0, ..., 2.0, 3.0 ],\n],\n]\n", "other values than its shape has"},
      {"[\n[\n[ 1.0, ..., 2.0, ... ],\n],\n]\n", "'...', want it once"},
      {"[\n[\n[ 1.0, 2.0, 3.0 ],\n", "the end of the file, want its closing brackets"},
      {"[\n[\n[\n[ 1.0, 2.0, 3.0 ],\n", "a fourth '['"},
      {"[\n[\n1.0\n", "'1.0', want '['"},
      {"[\nsum = 1\n", "'sum', want '['"},
      {"[\n]\n", "other values than its shape has"},
  };
  for (const auto& c : cases) {
    const auto trace = PrintedTrace::parse("t", head("l_out-1", "3, 1, 1, 1") + c.body);
    ASSERT_FALSE(trace) << c.body;
    EXPECT_EQ(trace.error().code, Code::kCorrupt);
    EXPECT_NE(trace.error().message.find(c.part), std::string::npos) << trace.error().message;
  }
  EXPECT_FALSE(parse(head("l_out-1", "3, 1, 1, 2") + "[\n"));
  EXPECT_FALSE(parse(head("l_out-1", "9223372036854775807, 9223372036854775807, 1, 1") + "[\n"));
  EXPECT_FALSE(parse(head("l_out-1", "0, 1, 1, 1") + "[\n"));
}

TEST(Printed, WhatIsNone) {
  for (const char* text :
       {"", "\n", "{}", " = (f32) ) = {1, 1, 1, 1}", "a: b = (f32) X() = {1, 1, 1}", "a: b = (f32) X() = {1, 1, 1, x}",
        "a: b = (f32) X() = {1, 1, 1, 1, 1}", "a: b = (f32) X() = {-1, 1, 1, 1}"})
    EXPECT_FALSE(PrintedTrace::is_one(text)) << text;
  EXPECT_TRUE(PrintedTrace::is_one(kNewer));
  // Tensors, but no taps of ours, or none with values.
  EXPECT_FALSE(parse(head("norm-0", "1, 1, 1, 1") + "[\n[\n[ 1.0 ],\n],\n]\n"));
  EXPECT_FALSE(parse(head("l_out", "1, 1, 1, 1") + "[\n[\n[ 1.0 ],\n],\n]\n"));
  EXPECT_FALSE(parse(head("inp_embd-0", "1, 1, 1, 1") + "[\n[\n[ 1.0 ],\n],\n]\n"));
  EXPECT_FALSE(parse(head("l_out-0", "1, 1, 1, 1") + head("l_out-1", "1, 1, 1, 1")));
  // Cut anywhere, it is an error or a shorter trace, and no crash.
  for (size_t cut = 0; cut < kNewer.size(); ++cut) (void)parse(kNewer.substr(0, cut));
}

// A tap of n_row rows from a position on.
void write(PrintedComparison& comparison, int64_t position, std::vector<float> values, int64_t width,
           backend::Tap tap = backend::Tap::kInpEmbd, int layer = -1) {
  comparison.set_position(position);
  comparison.write({tap, layer, std::ssize(values) / width, width, values, {}});
}

TEST(Printed, IsComparedToTheDigitsShown) {
  const auto trace = parse(kNewer);
  ASSERT_TRUE(trace);
  std::vector<float> run = {-0.01814F, 0.02724F, 1,    55,   66,   0.00035F, 0.5F, -2, 0.1F, 0.2F, 0.3F, 77,
                            88,        0.4F,     0.5F, 0.6F, 0.7F, 0.8F,     0.9F, 99, 11,   1.0F, 1.1F, 1.2F};
  PrintedComparison same(*trace, 3);
  write(same, 0, {run.begin(), run.begin() + 16}, 8);  // in two steps
  write(same, 2, {run.begin() + 16, run.end()}, 8);
  const auto all = same.finish();
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].n_value, 18);
  EXPECT_EQ((*all)[0].values->relative_l2, 0) << "what was left out, and what prints alike, is no difference";

  run[7] = -2.1F;
  PrintedComparison other(*trace, 3);
  write(other, 0, run, 8);
  EXPECT_NEAR(other.finish()->at(0).values->largest_error, 0.1 - 5e-5, 1e-6);

  run[7] = std::nanf("");
  PrintedComparison broken(*trace, 3);
  write(broken, 0, run, 8);
  EXPECT_FALSE(broken.finish()->at(0).within(1e9));

  PrintedComparison shape(*trace, 4);
  write(shape, 0, std::vector<float>(32), 8);
  ASSERT_FALSE(shape.finish());
  EXPECT_NE(shape.finish().error().message.find("theirs.txt:6: tensor 'inp_embd': {8, 3, 1, 1}, want 4 or 1 rows of 8"),
            std::string::npos)
      << shape.finish().error().message;
  EXPECT_FALSE(PrintedComparison(*trace, 3).finish()) << "nothing was compared";
}

// Behind the last layer's attention llama.cpp goes on with the last token alone.
TEST(Printed, OneRowIsTheLastTokens) {
  const auto trace =
      parse(head("l_out-0", "2, 1, 1, 1") + "[\n[\n[ 3.0, 4.0 ],\n],\n]\n" + head("ffn_moe_topk-0", "2, 3, 1, 1") +
            "[\n[\n[ 1.0000, 5.0000 ],\n[ 2.0000, 0.0000 ],\n[ 7.0000, 3.0000 ],\n],\n]\n");
  ASSERT_TRUE(trace) << trace.error().message;
  PrintedComparison comparison(*trace, 3);
  write(comparison, 0, {9, 9, 9, 9, 3, 4}, 2, backend::Tap::kLOut, 0);
  std::vector<int32_t> ids = {1, 5, 2, 0, 3, 7};
  comparison.write({backend::Tap::kFfnMoeTopk, 0, 3, 2, {}, ids});
  const auto all = comparison.finish();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->at(0).values->relative_l2, 0);
  EXPECT_EQ(all->at(0).n_value, 2);
  EXPECT_EQ(all->at(1).n_id, 6);
  EXPECT_EQ(all->at(1).n_different_id, 2);
}

}  // namespace
}  // namespace tercet::trace
