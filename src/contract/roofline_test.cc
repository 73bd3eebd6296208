// What is measured of a subject, and that what cannot be is said without taking the rest with it. The figures themselves are the
// machine's.
#include "contract/roofline.h"

#include <gtest/gtest.h>

#include <set>

#include "contract/small_model.h"
#include "ref/ref.h"

namespace tercet::contract {
namespace {

class RooflineOf : public testing::Test {
 protected:
  void SetUp() override {
    SmallModel spec;
    spec.name = "small";
    spec.n_layer = 1;
    auto model = make_small_model(spec, 1);
    ASSERT_TRUE(model) << model.error().message;
    world_.model = *model;
    subject_.factory = &ref::kFactory;
    subject_.device.kind = backend::DeviceKind::kCpu;
    subject_.read_bandwidth = []() -> Result<double> { return 2e10; };
    subject_.arithmetic = [] { return backend::Arithmetic{4e11, "made up"}; };
    subject_.decode = [] { return Decoding{1e-3, 5e6}; };
  }
  Roofline measured(Depth depth) {
    auto out = measure_roofline(world_, subject_, depth);
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or(Roofline{});
  }
  World world_;
  Subject subject_;
};

TEST_F(RooflineOf, AHostHasEachStageInStepsOfOneRowAndOfMany) {
  const Roofline roofline = measured(Depth::kQuick);
  EXPECT_EQ(roofline.absent, "");
  EXPECT_EQ(roofline.read_bandwidth, 2e10);
  ASSERT_TRUE(roofline.arithmetic);
  EXPECT_EQ(roofline.arithmetic->flops_per_second, 4e11);
  std::set<std::pair<std::string, int64_t>> seen;
  for (const StagePoint& point : roofline.points) {
    seen.emplace(point.stage, point.n_row);
    EXPECT_GE(point.seconds, 0) << point.stage;
    EXPECT_GT(point.bytes, 0) << point.stage;
    EXPECT_EQ(point.flops == 0, point.stage == "embed") << point.stage;
  }
  EXPECT_EQ(seen.size(), 14U);
  EXPECT_TRUE(seen.contains({"experts", 64}) && seen.contains({"attn", 1}));
  // Of two experts a row, 64 rows choose each of the eight.
  const auto bytes = [&](std::string_view stage, int64_t n_row) {
    for (const StagePoint& point : roofline.points)
      if (point.stage == stage && point.n_row == n_row) return point.bytes;
    return 0.0;
  };
  EXPECT_DOUBLE_EQ(bytes("experts", 64), 4 * bytes("experts", 1));
  EXPECT_DOUBLE_EQ(bytes("head", 64), bytes("head", 1));
}

TEST_F(RooflineOf, ADeviceHasItsWholeStepAsWellWhereThereIsTime) {
  subject_.device.kind = backend::DeviceKind::kDiscrete;
  const Roofline roofline = measured(Depth::kUsual);
  EXPECT_EQ(roofline.absent, "");
  ASSERT_EQ(roofline.points.size(), 15U);
  EXPECT_EQ(roofline.points.back().stage, "step");
  EXPECT_EQ(roofline.points.back().seconds, 1e-3);
  EXPECT_EQ(roofline.points.back().bytes, 5e6);
  EXPECT_GT(roofline.points.back().flops, 0);

  const Roofline quick = measured(Depth::kQuick);
  EXPECT_TRUE(quick.points.empty());
  EXPECT_TRUE(quick.arithmetic && quick.read_bandwidth);
  EXPECT_NE(quick.absent.find("--quick"), std::string::npos) << quick.absent;
}

TEST_F(RooflineOf, WhatCannotBeMeasuredTakesNothingWithIt) {
  subject_.device.kind = backend::DeviceKind::kDiscrete;
  subject_.read_bandwidth = [] { return error(Code::kDevice, "no reads"); };
  subject_.arithmetic = nullptr;
  subject_.decode = [] { return error(Code::kDevice, "no step"); };
  const Roofline roofline = measured(Depth::kUsual);
  EXPECT_EQ(roofline.absent, "no reads; what it computes at most was not measured; no step");
  EXPECT_FALSE(roofline.read_bandwidth || roofline.arithmetic);
  EXPECT_EQ(roofline.points.size(), 14U);

  subject_.device.kind = backend::DeviceKind::kSoftware;
  EXPECT_NE(measured(Depth::kUsual).absent.find("software that plays a GPU"), std::string::npos);
  subject_.device.kind = backend::DeviceKind::kDiscrete;
  world_.is_cancelled = [] { return true; };
  const auto cancelled = measure_roofline(world_, subject_, Depth::kUsual);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace tercet::contract
