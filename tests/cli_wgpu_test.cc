// The program with --backend wgpu as its users run it, on Mesa's lavapipe alone: which adapter it takes, and that it is this
// one or an error.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli_test.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

constexpr const char* kLavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

class CliWgpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kLavapipe)) GTEST_SKIP() << kLavapipe << " is not there";
    const Outcome outcome = run_tercet(on_lavapipe({"devices", "--json"}));
    const auto object = json_of(outcome);
    for (const json::value& entry : object.at("backends").as_array())
      if (entry.at("backend").as_string() == "wgpu" && entry.as_object().contains("absent"))
        GTEST_SKIP() << entry.at("absent").as_string();
  }

  static Command on_lavapipe(std::vector<std::string> args, std::vector<std::string> env = {}) {
    Command command{std::move(args)};
    command.env = std::move(env);
    command.env.push_back("VK_DRIVER_FILES=" + std::string(kLavapipe));
    command.env.emplace_back("CUDA_VISIBLE_DEVICES=-1");
    return command;
  }
  static std::vector<std::string> one_token(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"run", "--backend", "wgpu",   "--tokens", "785,921,308",
                                     "-n",  "1",         "--temp", "0",        "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_F(CliWgpu, TheAdapterIsTakenByNameOrIndex) {
  const Outcome named = run_tercet(on_lavapipe(one_token(), {"TERCET_WGPU_ADAPTER=LLVMpipe"}));
  EXPECT_EQ(named.exit_code, 0) << named.err;
  const auto object = json_of(named);
  EXPECT_EQ(object.at("backend").as_string(), "wgpu");
  EXPECT_NE(std::string(object.at("device").as_string()).find("llvmpipe"), std::string::npos);
  EXPECT_EQ(run_tercet(on_lavapipe(one_token({"--device", "llvmpipe"}), {"TERCET_WGPU_ADAPTER=radeon"})).exit_code, 0)
      << "a flag wins";
}

TEST_F(CliWgpu, TimesAreToldOfTheDeviceAndTheHost) {
  Command command = on_lavapipe(one_token(), {"TERCET_WGPU_TIMES=1"});
  command.args[6] = "5";
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"wgpu: 1 steps of 3 rows, ", " steps of 1 rows, ", " us each in 1 with marks\n",
                           " us of the host to record, ", "; then it waited ", "  head/0\n"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << " in " << outcome.err;
}

TEST_F(CliWgpu, AnAdapterThatIsNotThereIsAnErrorThatListsWhatIs) {
  for (const std::string wanted : {"radeon", "7"}) {
    const Outcome outcome = run_tercet(on_lavapipe(one_token(), {"TERCET_WGPU_ADAPTER=" + wanted}));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(
        outcome.err.find("tercet: error: TERCET_WGPU_ADAPTER: " + wanted + ", want one of backend wgpu's: 0: llvmpipe"),
        std::string::npos)
        << outcome.err;
  }
}

TEST_F(CliWgpu, DevicesShowsWhatIsKnownOfIt) {
  const Outcome outcome = run_tercet(on_lavapipe({"devices", "--json"}, {"TERCET_WGPU_ADAPTER=0"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto object = json_of(outcome);
  EXPECT_EQ(object.at("auto").as_string(), "cpu") << "software is never what auto picks";
  bool seen = false;
  for (const json::value& device : object.at("devices").as_array()) {
    if (device.at("backend").as_string() != "wgpu") continue;
    seen = true;
    EXPECT_EQ(device.at("kind").as_string(), "software");
    EXPECT_EQ(device.at("vendor").as_string(), "mesa");
    EXPECT_TRUE(device.at("read_bytes_s").is_null()) << "what it reads is the host's memory";
    EXPECT_NE(std::string(device.at("limits").at("note").as_string()).find("computes on the CPU"), std::string::npos);
  }
  EXPECT_TRUE(seen);
  for (const json::value& entry : object.at("backends").as_array()) {
    if (entry.at("backend").as_string() == "wgpu") {
      EXPECT_TRUE(entry.at("named").as_string().starts_with("TERCET_WGPU_ADAPTER=0 names 0: llvmpipe"));
    }
  }
}

// Neither the CPU nor anything else takes its place.
TEST_F(CliWgpu, NoAdapterIsAnErrorAndNoOtherBackendIsTaken) {
  for (const std::string variable : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
    Command command{one_token()};
    command.env = {variable + "=/nonexistent.json", "CUDA_VISIBLE_DEVICES=-1"};
    const Outcome outcome = run_tercet(command);
    EXPECT_EQ(outcome.exit_code, 1) << variable;
    EXPECT_NE(outcome.err.find("tercet: error: wgpu: no adapter found, want a GPU with a Vulkan driver"),
              std::string::npos)
        << outcome.err;
    const auto error = json_of(outcome).at("error").as_object();
    EXPECT_EQ(error.at("code").as_string(), "device");
  }
}

// wgpu-native panics then, which must not be what the user sees.
TEST_F(CliWgpu, ADeviceThatIsLostInTheMiddleOfAnAnswerIsAnError) {
  Command command{{"run", "--backend", "wgpu", "--tokens", "785,921,308", "-n", "50", "--temp", "0", "--ignore-eos"}};
  command.env = {"VK_DRIVER_FILES=" TERCET_FAULTY_MANIFEST, "FAULTY_VULKAN_SUBMISSIONS=20"};
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_FALSE(outcome.out.empty()) << "in the middle";
  EXPECT_NE(outcome.err.find("tercet: error: wgpu: llvmpipe"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(": the device was lost: wgpu-native gave up submitting a step"), std::string::npos)
      << outcome.err;
}

// The dynamic linker stops at the first file of the name, which is none that it can load.
TEST_F(CliWgpu, NoVulkanLoaderIsAnErrorThatSaysSo) {
  const TempDir folder;
  write_file(folder.file("libvulkan.so.1"), "\n");
  const Outcome outcome = run_tercet(on_lavapipe(one_token(), {"LD_LIBRARY_PATH=" + folder.path()}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("tercet: error: wgpu: no Vulkan loader (libvulkan.so.1), want one and a GPU's driver"),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace tercet::tests
