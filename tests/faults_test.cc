// Seeded faults on the CPU backend, and the table of them in docs/contract.md.
#include "faults/faults_test.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cpu/cpu.h"

namespace tercet::tests {
namespace {

TEST(SeededFaults, EachIsCaughtOnTheCpu) {
  backend::DeviceInfo device;
  device.backend = "cpu";
  device.kind = backend::DeviceKind::kCpu;
  Faults(cpu::kFactory, device, cpu::kFactory, "qwen3-moe-forward-cpu-v1").run();
}

// TERCET_UPDATE_DOCS=1 writes it anew.
TEST(SeededFaults, TheTableInTheDocumentIsThis) {
  std::string table = "<!-- faults -->\n| fault | caught by |\n| --- | --- |\n";
  for (const Fault& fault : faults()) table += "| " + fault.name + " | " + fault.caught_by + " |\n";
  table += "<!-- /faults -->\n";
  const std::string path = source_path("docs/contract.md");
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (std::getenv("TERCET_UPDATE_DOCS") != nullptr) {
    const auto begin = text.find("<!-- faults -->");
    const auto end = text.find("<!-- /faults -->\n");
    ASSERT_NE(end, std::string::npos);
    text.replace(begin, end + 17 - begin, table);
    std::ofstream(path) << text;
  }
  EXPECT_NE(text.find(table), std::string::npos) << "docs/contract.md is stale; want\n" << table;
  EXPECT_GE(faults().size(), 30U);
}

}  // namespace
}  // namespace tercet::tests
