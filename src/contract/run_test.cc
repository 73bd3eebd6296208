// Verdicts, what they say of the whole, and receipts, on figures that are made up.
#include "contract/run.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "contract/load.h"
#include "contract/receipt.h"

namespace tercet::contract {
namespace {

Threshold at_most(std::string figure, double bound) {
  Threshold t;
  t.figure = {std::move(figure), {}};
  t.at_most = bound;
  return t;
}

Falsifier falsifier_of(std::vector<Threshold> thresholds) {
  Falsifier f;
  f.id = {"FALSIFY-X-001", {}};
  f.thresholds = std::move(thresholds);
  return f;
}

TEST(Judge, FiguresBesideBounds) {
  const Falsifier f = falsifier_of({at_most("error", 1)});
  Evidence evidence;
  EXPECT_EQ(judge(f, evidence, "cpu", "cpu").verdict, Verdict::kFalsified) << "nothing was measured";
  evidence.add("error", {}, 1.0, "a");
  EXPECT_EQ(judge(f, evidence, "cpu", "cpu").verdict, Verdict::kHeld);
  evidence.add("error", {}, 2.0, "b");
  evidence.add("error", {}, 3.0, "c");
  const Judgement falsified = judge(f, evidence, "cpu", "cpu");
  EXPECT_EQ(falsified.verdict, Verdict::kFalsified);
  EXPECT_EQ(falsified.bounds.at(0).value, 3);
  EXPECT_EQ(falsified.bounds.at(0).first, "b");
  EXPECT_EQ(falsified.why, "error 3 at c, want at most 1; the first beyond it is b");
}

TEST(Judge, NoNumberIsWithinABound) {
  const Falsifier f = falsifier_of({at_most("error", 1e300)});
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Evidence evidence;
    evidence.add("error", {}, bad);
    evidence.add("error", {}, 0);
    EXPECT_EQ(judge(f, evidence, "cpu", "cpu").verdict, Verdict::kFalsified) << bad;
  }
}

TEST(Judge, WhatIsBrokenOrSkipped) {
  const Falsifier f = falsifier_of({at_most("error", 1)});
  Evidence evidence;
  evidence.add("error", {}, 0);
  evidence.broken = "another token";
  EXPECT_EQ(judge(f, evidence, "cpu", "cpu").why, "another token");
  EXPECT_EQ(judge(f, evidence, "cpu", "cpu").verdict, Verdict::kFalsified);
  evidence.broken.clear();
  evidence.skipped = "not here";
  EXPECT_EQ(judge(f, evidence, "cpu", "cpu").verdict, Verdict::kSkipped);
}

TEST(Judge, BoundsForSomeOnly) {
  Threshold exact = at_most("error", 1);
  exact.precision = backend::Precision::kExact;
  Threshold on_gpu = at_most("error", 10);
  on_gpu.device = "discrete";
  Evidence evidence;
  evidence.add("error", backend::Precision::kExact, 0.5);
  evidence.add("error", backend::Precision::kHigh, 20);
  EXPECT_EQ(judge(falsifier_of({exact}), evidence, "cpu", "cpu").verdict, Verdict::kHeld);
  EXPECT_EQ(judge(falsifier_of({on_gpu}), evidence, "cuda", "discrete").verdict, Verdict::kFalsified);
  EXPECT_EQ(judge(falsifier_of({on_gpu}), evidence, "cpu", "cpu").verdict, Verdict::kSkipped);
}

Contract contract_of(const std::string& id, const std::string& kind) {
  Contract c;
  c.id = {id, {}};
  c.kind = {kind, {}};
  c.parity = {kind == "forward" ? "FALSIFY-PARITY" : "", {}};
  c.hash = "h";
  c.falsifiers.push_back(falsifier_of({at_most("error", 1)}));
  c.falsifiers.back().id.text = "FALSIFY-PARITY";
  c.falsifiers.back().check.text = "parity";
  c.falsifiers.push_back(falsifier_of({at_most("error", 1)}));
  c.falsifiers.back().id.text = "FALSIFY-FALLBACK";
  c.falsifiers.back().check.text = "fallback";
  return c;
}

Row row_of(const std::string& contract, const std::string& falsifier, const std::string& backend, double error) {
  Row row;
  row.contract = contract;
  row.falsifier = falsifier;
  row.backend = backend;
  if (std::isnan(error))
    row.evidence.skipped = "not here";
  else
    row.evidence.add("error", {}, error);
  row.judgement = judge(falsifier_of({at_most("error", 1)}), row.evidence, backend, "");
  return row;
}

constexpr double kSkip = std::numeric_limits<double>::quiet_NaN();

TEST(Summary, EachBackendNeedsItsParityGate) {
  const std::vector<Contract> both = {contract_of("a", "forward"), contract_of("b", "component")};
  const Row parity = row_of("a", "FALSIFY-PARITY", "cpu", 0);
  const auto outcome = [&](const std::vector<std::string>& asked, const std::vector<Row>& rows) {
    return summarize(both, asked, rows).outcome;
  };
  EXPECT_EQ(outcome({"cpu"}, {parity}), Outcome::kHeld);
  EXPECT_EQ(outcome({"cpu", "cuda"}, {parity}), Outcome::kIncomplete);
  EXPECT_EQ(outcome({"cpu", "cuda"}, {parity, row_of("a", "FALSIFY-PARITY", "cuda", kSkip)}), Outcome::kIncomplete);
  EXPECT_EQ(outcome({"cpu", "cuda"}, {parity, row_of("a", "FALSIFY-PARITY", "cuda", 0)}), Outcome::kHeld);
  // Neither another falsifier nor another contract's stands for it.
  EXPECT_EQ(outcome({"cpu"}, {row_of("a", "FALSIFY-FALLBACK", "cpu", 0)}), Outcome::kIncomplete);
  EXPECT_EQ(outcome({"cpu"}, {row_of("b", "FALSIFY-PARITY", "cpu", 0)}), Outcome::kIncomplete);
  EXPECT_EQ(outcome({}, {parity}), Outcome::kIncomplete);
  // What is falsified anywhere is falsified, and more than incomplete.
  EXPECT_EQ(outcome({"cpu"}, {parity, row_of("b", "FALSIFY-FALLBACK", "", 2)}), Outcome::kFalsified);
  EXPECT_EQ(outcome({"cuda"}, {row_of("a", "FALSIFY-PARITY", "cpu", 2)}), Outcome::kFalsified);
}

TEST(Summary, ComponentsNeedWhatAppliesToThem) {
  const std::vector<Contract> component = {contract_of("b", "component")};
  EXPECT_EQ(summarize(component, {"cpu"}, {row_of("b", "FALSIFY-PARITY", "cpu", 0)}).outcome, Outcome::kHeld);
  EXPECT_EQ(summarize(component, {"cpu"}, {row_of("b", "FALSIFY-PARITY", "cpu", kSkip)}).outcome, Outcome::kIncomplete);
  EXPECT_EQ(summarize(component, {"cpu"}, {row_of("b", "FALSIFY-PARITY", "cpu", 3)}).outcome, Outcome::kFalsified);

  // A backend that was asked for and is not here leaves it untried; one that was not asked for does not matter, nor what has
  // nothing to say of this model on a device that is here.
  const Row held = row_of("b", "FALSIFY-PARITY", "cpu", 0);
  Row skipped = row_of("b", "FALSIFY-PARITY", "cuda", kSkip);
  EXPECT_EQ(summarize(component, {"cpu", "cuda"}, {held, skipped}).outcome, Outcome::kIncomplete);
  EXPECT_EQ(summarize(component, {"cpu"}, {held, skipped}).outcome, Outcome::kHeld);
  skipped.device_kind = "discrete";
  EXPECT_EQ(summarize(component, {"cpu", "cuda"}, {held, skipped}).outcome, Outcome::kHeld);
}

Receipt sample() {
  Receipt r;
  r.program_version = "0.1.0";
  r.commit = "abc";
  r.made_at = "2026-01-01T00:00:00Z";
  r.depth = "quick";
  r.model = {"demo.gguf", "00ff", 12, "Demo \xff", "qwen3moe", {{"n_layer", 4}}};
  r.asked = {"cpu"};
  r.devices = {{"cpu", "A CPU", "cpu", "", ""}};
  r.contracts = {{"a", "1.0.0", "h"}};
  r.rows = {row_of("a", "FALSIFY-PARITY", "cpu", 0.25), row_of("a", "FALSIFY-FALLBACK", "cpu", kSkip)};
  r.rows[0].evidence.series.push_back({"kl", backend::Precision::kHigh, 1, {0.5, kSkip}});
  const backend::Arithmetic most{4e11, "8-bit products"};
  r.rooflines = {{"cpu", backend::Precision::kHigh, 2e10, most, {{"attn", 64, 1e-3, 2e6, 3e7}}, ""},
                 {"cuda", backend::Precision::kHigh, {}, {}, {}, "no time"}};
  r.summary = summarize({contract_of("a", "forward")}, r.asked, r.rows);
  return r;
}

TEST(Receipt, ComesBackAsItWas) {
  const std::string text = boost::json::serialize(to_json(sample()));
  const auto back = parse_receipt(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(boost::json::serialize(to_json(*back)), text);
  EXPECT_TRUE(std::isnan(back->rows[0].evidence.series.at(0).values.at(1)));
  EXPECT_EQ(back->model.shape.at(0).second, 4);
  EXPECT_EQ(back->rooflines.at(0).points.at(0).n_row, 64);
  EXPECT_FALSE(back->rooflines.at(1).read_bandwidth);
  ASSERT_TRUE(back->rooflines.at(0).arithmetic);
  EXPECT_EQ(back->rooflines.at(0).arithmetic->flops_per_second, 4e11);
  EXPECT_FALSE(back->rooflines.at(1).arithmetic);
  // Older programs measured no arithmetic, or no roofline at all.
  boost::json::object without = to_json(sample());
  for (boost::json::value& roofline : without["rooflines"].as_array()) roofline.as_object().erase("arithmetic");
  const auto read = parse_receipt(boost::json::serialize(without));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_FALSE(read->rooflines.at(0).arithmetic);
  EXPECT_EQ(verify(*read, {contract_of("a", "forward")}).outcome, Outcome::kHeld);
  boost::json::object older = to_json(sample());
  older.erase("rooflines");
  EXPECT_TRUE(parse_receipt(boost::json::serialize(older)));
}

TEST(Receipt, IsVerified) {
  const std::vector<Contract> here = {contract_of("a", "forward")};
  Verification v = verify(sample(), here);
  EXPECT_EQ(v.outcome, Outcome::kHeld);
  EXPECT_TRUE(v.changes.empty() && v.contradictions.empty());

  Receipt lie = sample();
  lie.rows[0].evidence.figures[0].value = 7;  // but still says HELD
  v = verify(lie, here);
  EXPECT_EQ(v.outcome, Outcome::kFalsified);
  EXPECT_EQ(v.contradictions.size(), 2U);

  Receipt left_out = sample();
  left_out.rows.erase(left_out.rows.begin());
  v = verify(left_out, here);
  EXPECT_EQ(v.outcome, Outcome::kIncomplete);
  EXPECT_FALSE(v.contradictions.empty());

  // Not the gate, but what might have been falsified: of the same contract every row is wanted, of a changed one nobody knows.
  left_out = sample();
  left_out.rows.pop_back();
  v = verify(left_out, here);
  EXPECT_EQ(v.missing, (std::vector<std::string>{"FALSIFY-FALLBACK on cpu is not in the receipt"}));
  EXPECT_EQ(v.outcome, Outcome::kIncomplete);
  EXPECT_FALSE(v.contradictions.empty());
  left_out.contracts[0].sha256 = "another";
  EXPECT_EQ(verify(left_out, here).outcome, Outcome::kHeld);
}

TEST(Receipt, SaysThatAContractChanged) {
  std::vector<Contract> here = {contract_of("a", "forward")};
  here[0].hash = "another";
  EXPECT_EQ(verify(sample(), here).changes.size(), 1U);
  EXPECT_EQ(verify(sample(), here).outcome, Outcome::kHeld) << "its figures are within the present thresholds";
  here[0].falsifiers[0].thresholds[0].at_most = 0.1;
  EXPECT_EQ(verify(sample(), here).outcome, Outcome::kFalsified);
  EXPECT_EQ(verify(sample(), {}).outcome, Outcome::kIncomplete);
  EXPECT_TRUE(verify(sample(), {}).contradictions.empty()) << "what cannot be judged here is not denied";
}

TEST(Receipt, WhatIsNone) {
  for (const char* text : {"", "{", "[]", "{}", "{\"tercet_receipt\":2}", "{\"tercet_receipt\":\"1\"}",
                           "{\"tercet_receipt\":1,\"program\":[]}", "{\"tercet_receipt\":1,\"rows\":7}"})
    EXPECT_FALSE(parse_receipt(text)) << text;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_FALSE(parse_receipt(deep));
  const std::string whole = boost::json::serialize(to_json(sample()));
  for (size_t cut = 0; cut < whole.size(); cut += 7) EXPECT_FALSE(parse_receipt(whole.substr(0, cut)));
  // Every key is wanted, or may be left out without harm: no crash either way.
  for (size_t at = whole.find('"'); at != std::string::npos; at = whole.find('"', at + 1)) {
    std::string renamed = whole;
    renamed[at + 1] = '#';
    (void)parse_receipt(renamed);
  }
}

}  // namespace
}  // namespace tercet::contract
