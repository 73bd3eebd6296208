// The page of a receipt as text: what a browser shows of it is tested in one (tests/report).
#include "contract/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "base/base64.h"

namespace tercet::contract {
namespace {

namespace json = boost::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Receipt sample(size_t n_vocab) {
  Receipt r;
  r.program_version = "0.1.0";
  r.model = {"demo.gguf", "00ff", 12, "Demo", "qwen3moe", {{"n_layer", 4}}};
  r.asked = {"cpu"};
  r.contracts = {{"a", "1.0.0", "h"}};
  Row row{"a", "FALSIFY-PARITY", "cpu", "cpu", {}, {}, 1};
  std::vector<double> ref(n_vocab), seen(n_vocab);
  for (size_t i = 0; i < n_vocab; ++i) ref[i] = seen[i] = static_cast<double>(i % 97);
  seen[n_vocab / 2 + 1] += 5;
  seen[n_vocab / 2 + 2] = kNone;
  row.evidence.series = {{"logits_of_ref", {}, 1, std::move(ref)},
                         {"logits", backend::Precision::kHigh, 1, std::move(seen)},
                         {"kl_by_position", backend::Precision::kHigh, 1, {0.5, kNone}}};
  r.rows = {std::move(row)};
  return r;
}

std::string between(const std::string& page, std::string_view open, std::string_view close) {
  const size_t from = page.find(open);
  EXPECT_NE(from, std::string::npos) << open;
  const size_t begin = from + open.size();
  return page.substr(begin, page.find(close, begin) - begin);
}

TEST(Report, TheDataCannotEndItsElement) {
  Receipt hostile = sample(8);
  hostile.model.name = "</script><script>alert(1)</script>&amp;<!-- @script@ @data@";
  hostile.rows[0].falsifier = "</SCRIPT >";
  const json::object data = report_data(hostile, {});
  const std::string page = report_page(data);
  const std::string inside = between(page, "id=\"data\">", "</script>");
  EXPECT_EQ(inside.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(json::parse(inside), json::value(data)) << "escaped, and otherwise the same";
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
}

TEST(Report, IsOneFileThatRunsItsOwnScriptOnly) {
  const std::string page = report_page(report_data(sample(8), {}));
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* what : {" src=", "@import", "url(", "<link", "https:", "@policy@", "@style@", "unsafe"}) {
    const size_t at = page.find(what);
    EXPECT_EQ(at, std::string::npos) << page.substr(std::min(at, page.size()), 80);
  }
  // The one address is the name of SVG's elements.
  const size_t at = page.find("http:");
  ASSERT_NE(at, std::string::npos);
  EXPECT_TRUE(page.substr(at).starts_with("http://www.w3.org/2000/svg'"));
  EXPECT_EQ(page.find("http:", at + 1), std::string::npos);
}

TEST(Report, LogitsTakeFewerBytes) {
  const json::object data = report_data(sample(8), {});
  const json::object& logits = data.at("logits").as_object();
  EXPECT_EQ(logits.at("n_vocab").to_number<int>(), 8);
  EXPECT_TRUE(logits.at("ids").is_null());
  const json::array& vectors = logits.at("vectors").as_array();
  ASSERT_EQ(vectors.size(), 2U);
  EXPECT_EQ(vectors[0].at("backend").as_string(), "ref");
  EXPECT_EQ(vectors[1].at("precision").as_string(), "high");
  const float ref[] = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(std::string(vectors[0].at("f32").as_string()), base64(std::as_bytes(std::span(ref))));
  // Nowhere else, and what else was measured stays.
  const json::array& series = data.at("receipt").at("rows").at(0).at("series").as_array();
  ASSERT_EQ(series.size(), 1U);
  EXPECT_EQ(series[0].at("name").as_string(), "kl_by_position");
  EXPECT_TRUE(series[0].at("values").at(1).is_null());
}

TEST(Report, OfManyLogitsTheWorstAreKept) {
  constexpr size_t kVocab = 151'936;
  const json::object data = report_data(sample(kVocab), {});
  const json::array& ids = data.at("logits").at("ids").as_array();
  EXPECT_GT(ids.size(), 10'000U);
  EXPECT_LT(ids.size(), 20'000U);
  for (const size_t wanted : {size_t{0}, kVocab / 2 + 1, kVocab / 2 + 2})
    EXPECT_NE(std::find(ids.begin(), ids.end(), json::value(uint64_t{wanted})), ids.end()) << wanted;
  for (size_t i = 1; i < ids.size(); ++i) ASSERT_LT(ids[i - 1].to_number<size_t>(), ids[i].to_number<size_t>());
  EXPECT_LT(report_page(data).size(), size_t{1} << 20);
}

TEST(Report, LogitsOfOtherLengthsAreLeftOut) {
  Receipt odd = sample(8);
  odd.rows[0].evidence.series[1].values.resize(5);
  EXPECT_EQ(report_data(odd, {}).at("logits").at("vectors").as_array().size(), 1U);
  odd.rows[0].evidence.series.erase(odd.rows[0].evidence.series.begin());
  EXPECT_EQ(report_data(odd, {}).at("logits").at("vectors").as_array().size(), 0U);
}

}  // namespace
}  // namespace tercet::contract
