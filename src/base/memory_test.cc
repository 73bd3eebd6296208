#include "base/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tercet {
namespace {

class AvailableMemory : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) /
            (std::string("tercet_memory_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  Result<int64_t> ask() { return available_memory((root_ / "proc").string(), (root_ / "cgroup").string()); }
  std::filesystem::path root_;
};

TEST_F(AvailableMemory, IsMemAvailable) {
  write("proc/meminfo", "MemTotal:  8000 kB\nMemAvailable:    4096 kB\n");
  EXPECT_EQ(ask(), 4096 * 1024);
  write("proc/self/cgroup", "0::/\n");
  write("cgroup/memory.max", "max\n");
  write("cgroup/memory.current", "5\n");
  EXPECT_EQ(ask(), 4096 * 1024);
}

TEST_F(AvailableMemory, AGroupOrItsParentMayAllowLess) {
  write("proc/meminfo", "MemAvailable:    4096 kB\n");
  write("proc/self/cgroup", "0::/a/b\n");
  write("cgroup/a/b/memory.max", "max\n");
  write("cgroup/a/b/memory.current", "1000\n");
  write("cgroup/a/memory.max", "10000\n");
  write("cgroup/a/memory.current", "7000\n");
  write("cgroup/a/memory.stat", "anon 1\ninactive_file 500\nactive_file 1500\n");
  EXPECT_EQ(ask(), 5000);
  write("cgroup/a/b/memory.max", "900\n");
  EXPECT_EQ(ask(), 0);
}

TEST_F(AvailableMemory, TheFirstVersionOfGroups) {
  write("proc/meminfo", "MemAvailable:    4096 kB\n");
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n");
  write("cgroup/memory/x/memory.limit_in_bytes", "2048\n");
  write("cgroup/memory/x/memory.usage_in_bytes", "48\n");
  EXPECT_EQ(ask(), 2000);
}

TEST_F(AvailableMemory, ASystemThatDoesNotSayIsAnError) {
  EXPECT_FALSE(ask());
  write("proc/meminfo", "MemAvailable: lots\n");
  EXPECT_FALSE(ask());
}

TEST(FormatBytes, HasUnits) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(int64_t{3} << 19), "1.5 MiB");
  EXPECT_EQ(format_bytes(int64_t{18} << 30), "18.0 GiB");
}

}  // namespace
}  // namespace tercet
