// CLI11's names, without the hundred thousand lines behind them: only those who declare options include <CLI/CLI.hpp>.
#pragma once

namespace CLI {
class App;
class Option;
}  // namespace CLI
