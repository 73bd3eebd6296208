// What can be said of the weights without a device.
#include "cuda/weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/synthetic.h"

namespace tercet::cuda {
namespace {

using backend::Precision;

std::shared_ptr<const model::Model> tiny() {
  ThreadPool pool(1);
  auto made = model::make_synthetic(model::SyntheticSize::kTiny, 1, pool);
  EXPECT_TRUE(made) << made.error().message;
  return *model::load_model(*model::open_synthetic(*std::move(made)));
}

// Every layout has as many bytes as the file has; each plane may end in up to 255 more.
TEST(WeightBytes, AreThoseOfTheFileAndItsAlignment) {
  const auto model = tiny();
  for (const Precision precision : {Precision::kExact, Precision::kHigh, Precision::kFast}) {
    const int64_t n_byte = weight_bytes_on_device(*model, precision);
    const auto n_plane = static_cast<int64_t>(3 * model->file->tensors().size() + 1);
    // Norms become f32, if they are not; the scales' maxima are 4 bytes each.
    EXPECT_GE(n_byte, model->weight_bytes());
    EXPECT_LE(n_byte, model->weight_bytes() + n_plane * 256);
  }
}

TEST(WeightBytes, ATiedOutputIsThereTwiceOnlyWhereItsLayoutDiffers) {
  model::Model tied = *tiny();
  const int64_t output_bytes = tied.output.mat_bytes();
  const int64_t untied_exact = weight_bytes_on_device(tied, Precision::kExact);
  tied.output = tied.token_embd;
  const int64_t exact = weight_bytes_on_device(tied, Precision::kExact);
  EXPECT_LE(untied_exact - exact, output_bytes + 256);
  EXPECT_GE(untied_exact - exact, output_bytes);
  ASSERT_NE(tied.token_embd.format->type, quant::Type::kF32) << "or this tests nothing";
  EXPECT_GE(weight_bytes_on_device(tied, Precision::kHigh), exact + tied.token_embd.mat_bytes());
}

TEST(ScaleUp, BringsTheLargestWeightIntoTheMiddleOfAHalfsRange) {
  for (const float largest : {1e-3F, 0.02F, 0.999F, 1.0F, 7.99F, 8.0F, 15.99F, 16.0F, 1e3F, 6e4F}) {
    const float scale = scale_up_for(largest);
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5F) << "a power of two";
    EXPECT_GE(largest * scale, 8.0F) << largest;
    EXPECT_LT(largest * scale, 16.0F) << largest;
  }
  EXPECT_EQ(scale_up_for(0.0F), 1.0F);
  EXPECT_EQ(scale_up_for(1e-30F), 32768.0F);
  EXPECT_EQ(scale_up_for(6.2e7F), std::ldexp(1.0F, -14)) << "the largest half times 63 * 15";
}

}  // namespace
}  // namespace tercet::cuda
