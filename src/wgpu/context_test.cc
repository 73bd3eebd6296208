// What a device says when it cannot do what it is asked for.
#include "wgpu/context.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>

#include "wgpu/subgroups.h"

namespace tercet::wgpu {
namespace {

constexpr std::string_view kInput = "@group(0) @binding(0) var<storage, read> step_input: array<u32>;\n";

class WgpuContext : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Context::open(0);
    if (!opened) GTEST_SKIP() << opened.error().message;
    context_ = std::move(*opened);
  }
  std::string message_of(const std::string& text) {
    const auto made = context_->kernel("kernels/wrong", text, "rw");
    EXPECT_FALSE(made);
    if (made) return "";
    EXPECT_EQ(made.error().code, Code::kDevice);
    return made.error().message;
  }
  std::unique_ptr<Context> context_;
};

TEST_F(WgpuContext, AShaderThatDoesNotCompileIsNamedWithTheCompilersWords) {
  const std::string name = "wgpu: " + context_->name() + ": ";
  const std::string unknown = message_of("@compute @workgroup_size(1)\nfn main() { let a = is_not_there; }\n");
  EXPECT_TRUE(unknown.starts_with(name + "shader kernels/wrong: ")) << unknown;
  EXPECT_NE(unknown.find("is_not_there"), std::string::npos) << unknown;
  EXPECT_EQ(unknown.find('\n'), std::string::npos) << "an error is one line";
  const std::string type = message_of("@compute @workgroup_size(1)\nfn main() { let a: u32 = 1.5f; }\n");
  EXPECT_TRUE(type.starts_with(name + "shader kernels/wrong: ")) << type;
  // Well formed, but not what is bound to it.
  const std::string binding = message_of(std::string(kInput) +
                                         "@group(1) @binding(7) var<storage, read> x: array<u32>;\n"
                                         "@compute @workgroup_size(1)\n"
                                         "fn main() { let a = step_input[0] + x[0]; }\n");
  EXPECT_TRUE(binding.starts_with(name + "kernel kernels/wrong: ")) << binding;
  // The device is as good as before.
  const auto made = context_->kernel("kernels/right",
                                     std::string(kInput) +
                                         "@group(1) @binding(0) var<storage, read_write> x: array<u32>;\n"
                                         "@compute @workgroup_size(1)\n"
                                         "fn main() { x[0] = step_input[0]; }\n",
                                     "w");
  EXPECT_TRUE(made) << made.error().message;
  EXPECT_TRUE(context_->status());
}

TEST_F(WgpuContext, ABufferOverTheLimitIsRefusedWithTheFigures) {
  const uint64_t most = context_->limits().maxBufferSize;
  if (most > UINT64_MAX - 16) GTEST_SKIP() << "there is no limit";
  const auto made = context_->make_buffer(most + 1, WGPUBufferUsage_Storage, "a test");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnsupported);
  EXPECT_NE(made.error().message.find("for a test, want at most " + std::to_string(most)), std::string::npos)
      << made.error().message;
}

TEST_F(WgpuContext, SubgroupsAreUsedWhereTheyAreThereUnlessSwitchedOff) {
  constexpr const char* kVariable = "TERCET_WGPU_SUBGROUPS";
  ASSERT_EQ(setenv(kVariable, "on", 1), 0);
  const auto width = subgroup_width(*context_);
  ASSERT_TRUE(width) << width.error().message;
  EXPECT_TRUE(std::has_single_bit(static_cast<unsigned>(*width)) && *width <= 64) << *width;
  if (!context_->has_subgroups()) {
    EXPECT_EQ(*width, 1);
  } else if (quirks_of(context_->adapter().facts()).is_software) {
    EXPECT_GE(*width, 4);
    EXPECT_LE(*width, 16) << "a vector of the CPU's";
  }
  ASSERT_EQ(setenv(kVariable, "off", 1), 0);
  EXPECT_EQ(*subgroup_width(*context_), 1);
  ASSERT_EQ(setenv(kVariable, "maybe", 1), 0);
  const auto refused = subgroup_width(*context_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "TERCET_WGPU_SUBGROUPS: maybe, want on or off");
  unsetenv(kVariable);
}

TEST_F(WgpuContext, CountsWhatIsInBuffers) {
  const uint64_t before = bytes_in_buffers();
  {
    const auto made = context_->make_buffer(1000, WGPUBufferUsage_Storage, "a test");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(bytes_in_buffers(), before + 1008);
  }
  EXPECT_EQ(bytes_in_buffers(), before);
}

}  // namespace
}  // namespace tercet::wgpu
