// Owns the suite: each fault on a backend makes the falsifier that it names FALSIFIED, which is HELD without any.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/cpu_info.h"
#include "contract/gates.h"
#include "contract/judge.h"
#include "contract/load.h"
#include "contract/small_model.h"
#include "faults/faults_suite.h"
#include "support/demo.h"

namespace tercet::tests {

class Faults {
 public:
  Faults(const backend::Factory& factory, backend::DeviceInfo device, const backend::Factory& yardstick,
         const std::string& contract)
      : factory_(factory), device_(std::move(device)) {
    auto loaded = contract::load_valid_contract(source_path("contracts/" + contract + ".yaml"));
    EXPECT_TRUE(loaded) << loaded.error().message;
    contract_ = *std::move(loaded);
    // Two blocks in a row of the heads' output; it is run hundreds of times.
    const contract::SmallModel spec{.name = "faults", .n_head = 8};
    auto model = contract::make_small_model(spec, 1);
    EXPECT_TRUE(model) << model.error().message;
    world_.model = *model;
    world_.yardstick = &yardstick;
    world_.n_thread = n_usable_cpu();
  }

  contract::Judgement try_on(const Fault& fault) {
    const contract::Falsifier* falsifier = contract_.find_falsifier(contract_.prefix.text + fault.caught_by);
    EXPECT_NE(falsifier, nullptr) << fault.caught_by;
    contract::Subject subject;
    subject.factory = &faulty(factory_, fault);
    subject.device = device_;
    // Whatever the machine at hand has to spare, a half of this one's memory is free.
    subject.look_again = []() -> Result<backend::DeviceInfo> {
      backend::DeviceInfo now;
      now.memory_total = 2;
      now.memory_free = 1;
      return now;
    };
    contract::GateMemo gates;
    const auto evidence = contract::find_check(falsifier->check.text)->run({world_, &subject, gates});
    contract::Evidence seen;
    if (evidence)
      seen = *evidence;
    else
      seen.broken = evidence.error().message;
    return contract::judge(*falsifier, seen, factory_.name, backend::device_kind_name(device_.kind));
  }

  void run() {
    std::map<std::string, bool> controlled;
    std::set<std::pair<std::string, size_t>> tried;
    for (const Fault& fault : faults()) {
      // Software that plays a GPU compiles its shaders anew for each, and tries one of a kind.
      if (device_.kind == backend::DeviceKind::kSoftware && !tried.emplace(fault.caught_by, place(fault)).second)
        continue;
      if (!std::exchange(controlled[fault.caught_by], true)) {
        const contract::Judgement held = try_on({.name = "none", .caught_by = fault.caught_by});
        EXPECT_EQ(held.verdict, contract::Verdict::kHeld) << fault.caught_by << " without a fault: " << held.why;
      }
      const contract::Judgement seen = try_on(fault);
      EXPECT_EQ(seen.verdict, contract::Verdict::kFalsified) << fault.name << " is not caught by " << fault.caught_by;
      std::cout << fault.name << ": " << fault.caught_by << ": " << seen.why << "\n";
    }
  }

 private:
  const backend::Factory& factory_;
  backend::DeviceInfo device_;
  contract::Contract contract_;
  contract::World world_;
};

}  // namespace tercet::tests
