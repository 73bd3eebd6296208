// What a kernel does to memory that is not its own is seen, though no sanitizer is inside it.
#include <thread>

#include "base/sanitized.h"
#include "cpu/kernels/testing.h"

namespace tercet::cpu {
namespace {

class Watched : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(Watched, MemoryThatIsNotThere) {
  if (!kAddressSanitizer) GTEST_SKIP() << "the address sanitizer is not in this build";
  const Kernels& kernels = best_kernels();
  std::vector<float> enough(64, 1.0F);
  const std::unique_ptr<float[]> few(new float[63]());
  kernels.axpy(enough.data(), 1, enough.data(), 64);
  EXPECT_DEATH(kernels.axpy(few.get(), 1, enough.data(), 64), "heap-buffer-overflow.*\n.*WRITE");
  EXPECT_DEATH(kernels.axpy(enough.data(), 1, few.get(), 64), "heap-buffer-overflow.*\n.*READ");

  const quant::Format& format = quant::format_of(quant::Type::kF32);
  Activations x;
  x.resize(ActKind::kF32, 1, 64);
  kernels.prepare(ActKind::kF32, x.row(0), enough.data(), 64);
  float y[2] = {};
  const auto product = [&](int64_t end) {
    kernels.matmul({&format, reinterpret_cast<const std::byte*>(enough.data()), 256, 0, end, &x, nullptr, 1, y, 2});
  };
  product(1);
  EXPECT_EQ(y[0], 2 * 2 * 64);
  EXPECT_DEATH(product(2), "heap-buffer-overflow.*\n.*READ");
}

TEST_F(Watched, TwoThreadsThatWriteTheSame) {
  if (!kThreadSanitizer) GTEST_SKIP() << "the thread sanitizer is not in this build";
  std::vector<float> y(128);
  const std::vector<float> x(64, 1.0F);
  const auto both = [&](int64_t second) {
    std::thread other([&] { best_kernels().axpy(y.data() + second, 1, x.data(), 64); });
    best_kernels().axpy(y.data(), 1, x.data(), 64);
    other.join();
    std::exit(0);
  };
  EXPECT_EXIT(both(64), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(both(63), testing::ExitedWithCode(66), "data race");
}

}  // namespace
}  // namespace tercet::cpu
