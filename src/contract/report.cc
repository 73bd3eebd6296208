#include "contract/report.h"

#include <boost/json.hpp>
#include <string_view>

#include "base/base64.h"
#include "base/check.h"
#include "base/sha256.h"
#include "contract/assets.h"

namespace tercet::contract {
namespace {

// JSON as it may stand in a <script> element, which ends at the first "</script" whatever that is a part of. U+2028 and
// U+2029 are left alone: they end lines in old JavaScript, and this is parsed as JSON.
std::string embeddable(const boost::json::object& data) {
  std::string out;
  for (const char c : boost::json::serialize(data)) {
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
  return out;
}

// As a Content-Security-Policy names the very text that may be run.
std::string source_of(std::string_view text) {
  return "'sha256-" + base64(sha256(std::as_bytes(std::span(text)))) + "'";
}

}  // namespace

std::string report_page(const boost::json::object& data) {
  const std::string_view style = asset("report.css");
  const std::string_view script = asset("report.js");
  const std::string policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " + source_of(style) +
                             "; script-src " + source_of(script);
  const std::pair<std::string_view, std::string> parts[] = {{"@policy@", policy},
                                                            {"@style@", std::string(style)},
                                                            {"@data@", embeddable(data)},
                                                            {"@script@", std::string(script)}};
  std::string_view rest = asset("report.html");
  std::string out;
  // Each stands once, in this order; what was put in is not looked at again.
  for (const auto& [mark, text] : parts) {
    const size_t at = rest.find(mark);
    CHECK(at != std::string_view::npos);
    out.append(rest.substr(0, at)).append(text);
    rest.remove_prefix(at + mark.size());
  }
  return out.append(rest);
}

}  // namespace tercet::contract
