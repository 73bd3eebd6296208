// Each stage's mark comes behind that stage, and what has no clock says so.
#include "backend/stage_times.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/marked_stages.h"

namespace tercet::backend {
namespace {

struct Stages {
  std::vector<std::string>& seen;
  void embed(const model::Model&, const model::Shape&) { seen.emplace_back("embed"); }
  void attn_in(const model::LayerSpec&, const model::Shape&) { seen.emplace_back("attn_in"); }
  void attn(const model::LayerSpec&, const model::Shape&) { seen.emplace_back("attn"); }
  void attn_out(const model::LayerSpec&, const model::Shape&) { seen.emplace_back("attn_out"); }
  void route(const model::LayerSpec&, const model::Shape&) { seen.emplace_back("route"); }
  void experts(const model::LayerSpec&, const model::Shape&) { seen.emplace_back("experts"); }
  void head(const model::Model&, const model::Shape&) { seen.emplace_back("head"); }
};

TEST(MarkedStages, MarksEachStageBehindIt) {
  model::Model model;
  model.layers.resize(2);
  std::vector<std::string> plain, ran, marked;
  Stages alone{plain};
  model::forward(alone, model, {});
  Stages stages{ran};
  MarkedStages timed(stages, [&](Stage stage) {
    marked.emplace_back(stage_name(stage));
    EXPECT_EQ(marked, ran);
  });
  model::forward(timed, model, {});
  EXPECT_EQ(marked.size(), 12U);
  EXPECT_EQ(ran, plain);
}

class WithoutAClock final : public Backend {
 public:
  std::string_view name() const override { return "sundial"; }
  std::string device() const override { return ""; }
  const Limits& limits() const override { return limits_; }
  Result<Ticket> submit(const Batch&, TraceSink*) override { return error(Code::kDevice, "it was run"); }
  Status wait(Ticket, StepResult&) override { return {}; }

 private:
  Limits limits_;
};

TEST(StageTimes, AreAbsentByNameWhereThereIsNoClock) {
  WithoutAClock backend;
  StepResult ignored;
  const auto times = backend.time_step({}, ignored);
  ASSERT_FALSE(times);
  EXPECT_EQ(times.error().code, Code::kUnsupported);
  EXPECT_EQ(times.error().message, "sundial tells no time of a stage");
}

}  // namespace
}  // namespace tercet::backend
