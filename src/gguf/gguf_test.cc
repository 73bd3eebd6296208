#include "gguf/gguf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "gguf/test_files.h"
#include "gguf/writer.h"

namespace tercet::gguf {
namespace {

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4K = 12;

template <typename T>
std::string message_of(const Result<T>& result) {
  return result.has_value() ? "no error" : result.error().message;
}

// A file in memory of a few keys, opened.
class Getters : public testing::Test {
 protected:
  void SetUp() override {
    Writer writer;
    writer.add("u8", uint8_t{200});
    writer.add("i8", int8_t{-3});
    writer.add("u32", uint32_t{4'000'000'000});
    writer.add("u64", uint64_t{1} << 40);
    writer.add("f32", 0.5f);
    writer.add("f64", 0.1);
    writer.add("huge", 1e300);
    writer.add("nan", std::numeric_limits<float>::quiet_NaN());
    writer.add("inf", std::numeric_limits<double>::infinity());
    writer.add("yes", true);
    writer.add("text", "a\nb");
    writer.add_array("texts", std::vector<std::string>{"x", "", "zz"});
    writer.add_array("types", std::vector<uint8_t>{1, 2, 255});
    writer.add_array("wide", std::vector<int64_t>{1, -1, int64_t{1} << 31});
    writer.add_array("scores", std::vector<double>{0.25, -1e300});
    writer.add_array("floats", std::vector<float>{0.25f, -1.0f});
    writer.add_array("none", std::vector<uint64_t>{});
    writer.add_array("no_texts", std::vector<std::string>{});
    writer.add_array("flags", std::vector<bool>{true, false});
    bytes_ = writer.to_bytes().value();
    file_ = File::from_memory(bytes_, "m.gguf").value();
  }
  std::vector<std::byte> bytes_;
  std::unique_ptr<File> file_;
};

TEST_F(Getters, GiveWhatIsThere) {
  EXPECT_EQ(file_->get_u32("u8"), 200u);
  EXPECT_EQ(file_->get_u32("u32"), 4'000'000'000u);
  EXPECT_EQ(file_->get_u64("u64"), uint64_t{1} << 40);
  EXPECT_EQ(file_->get_i32("i8"), -3);
  EXPECT_EQ(file_->get_i32("u8"), 200);
  EXPECT_EQ(file_->get_f32("f32"), 0.5f);
  EXPECT_EQ(file_->get_f32("f64"), 0.1f);
  EXPECT_TRUE(std::isnan(file_->get_f32("nan").value()));
  EXPECT_TRUE(std::isinf(file_->get_f32("inf").value()));
  EXPECT_EQ(file_->get_bool("yes"), true);
  EXPECT_EQ(file_->get_string("text"), "a\nb");
  EXPECT_EQ(file_->get_string_array("texts"), (std::vector<std::string_view>{"x", "", "zz"}));
  EXPECT_EQ(file_->get_i32_array("types"), (std::vector<int32_t>{1, 2, 255}));
  EXPECT_EQ(file_->get_f32_array("floats"), (std::vector<float>{0.25f, -1.0f}));
  EXPECT_TRUE(file_->get_i32_array("none").value().empty());
  EXPECT_TRUE(file_->get_string_array("no_texts").value().empty());
}

TEST_F(Getters, FallBackOnlyWhenTheKeyIsMissing) {
  EXPECT_EQ(file_->get_u32_or("absent", 7), 7u);
  EXPECT_EQ(file_->get_f32_or("absent", 7.5f), 7.5f);
  EXPECT_EQ(file_->get_bool_or("absent", true), true);
  EXPECT_EQ(file_->get_string_or("absent", "x"), "x");
  EXPECT_EQ(file_->get_u32_or("u8", 7), 200u);
  EXPECT_EQ(file_->get_f32_or("f32", 7.5f), 0.5f);
  EXPECT_EQ(file_->get_bool_or("yes", false), true);
  EXPECT_EQ(file_->get_string_or("text", "x"), "a\nb");
  EXPECT_FALSE(file_->get_u32_or("text", 7).has_value());
  EXPECT_FALSE(file_->get_f32_or("u8", 7).has_value());
  EXPECT_FALSE(file_->get_bool_or("u8", true).has_value());
  EXPECT_FALSE(file_->get_string_or("u8", "x").has_value());
}

TEST_F(Getters, NameTheKeyThatIsMissing) {
  EXPECT_EQ(message_of(file_->get_u32("a.b")), "m.gguf: key 'a.b': missing, want an integer from 0 to 4294967295");
  EXPECT_EQ(message_of(file_->get_u64("a.b")), "m.gguf: key 'a.b': missing, want an integer of at least 0");
  EXPECT_EQ(message_of(file_->get_f32("a.b")), "m.gguf: key 'a.b': missing, want a float");
  EXPECT_EQ(message_of(file_->get_bool("a.b")), "m.gguf: key 'a.b': missing, want a bool");
  EXPECT_EQ(message_of(file_->get_string("a.b")), "m.gguf: key 'a.b': missing, want a string");
  EXPECT_EQ(message_of(file_->get_string_array("a.b")), "m.gguf: key 'a.b': missing, want an array of strings");
  EXPECT_EQ(file_->get_u32("a.b").error().code, Code::kCorrupt);
}

TEST_F(Getters, NameWhatWasSeenAndWanted) {
  EXPECT_EQ(message_of(file_->get_u32("i8")), "m.gguf: key 'i8': is int8 -3, want an integer from 0 to 4294967295");
  EXPECT_EQ(message_of(file_->get_u32("u64")),
            "m.gguf: key 'u64': is uint64 1099511627776, want an integer from 0 to 4294967295");
  EXPECT_EQ(message_of(file_->get_u32("nan")),
            "m.gguf: key 'nan': is float32 nan, want an integer from 0 to 4294967295");
  EXPECT_EQ(message_of(file_->get_i32("u32")),
            "m.gguf: key 'u32': is uint32 4000000000, want an integer from -2147483648 to 2147483647");
  EXPECT_EQ(message_of(file_->get_u64("i8")), "m.gguf: key 'i8': is int8 -3, want an integer of at least 0");
  EXPECT_EQ(message_of(file_->get_f32("u8")), "m.gguf: key 'u8': is uint8 200, want a float");
  EXPECT_EQ(message_of(file_->get_f32("huge")), "m.gguf: key 'huge': is float64 1e+300, want a float");
  EXPECT_EQ(message_of(file_->get_bool("text")), "m.gguf: key 'text': is string 'a\\x0ab', want a bool");
  EXPECT_EQ(message_of(file_->get_string("flags")), "m.gguf: key 'flags': is array of 2 bool, want a string");
  EXPECT_EQ(message_of(file_->get_i32_array("u8")),
            "m.gguf: key 'u8': is uint8 200, want an array of integers from -2147483648 to 2147483647");
  EXPECT_EQ(
      message_of(file_->get_i32_array("wide")),
      "m.gguf: key 'wide': element 2 is int64 2147483648, want an array of integers from -2147483648 to 2147483647");
  EXPECT_EQ(message_of(file_->get_string_array("flags")),
            "m.gguf: key 'flags': element 0 is bool true, want an array of strings");
  EXPECT_EQ(message_of(file_->get_f32_array("scores")),
            "m.gguf: key 'scores': element 1 is float64 -1e+300, want an array of floats");
}

TEST(File, FindsTensorsAndGivesTheirBytes) {
  std::vector<std::byte> ramp(288);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<std::byte>(i);
  Writer writer;
  writer.add_tensor("b", kF32, {3}, std::span(ramp).first(12));
  writer.add_tensor("a", kQ4K, {256, 2}, ramp);
  const auto bytes = writer.to_bytes().value();
  const auto file = File::from_memory(bytes, "m.gguf").value();
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->find_tensor("c"), nullptr);
  EXPECT_EQ(file->find_tensor(""), nullptr);
  const TensorInfo* const a = file->find_tensor("a");
  ASSERT_EQ(a, &file->tensors()[1]);
  EXPECT_EQ(a->type, kQ4K);
  EXPECT_EQ(std::vector<uint64_t>(a->dims.begin(), a->dims.end()), (std::vector<uint64_t>{256, 2}));
  EXPECT_EQ(a->n_element, 512u);
  EXPECT_EQ(a->n_byte, 288u);
  EXPECT_EQ(a->offset, file->data_offset() + 32);
  EXPECT_EQ(a->data.data(), bytes.data() + a->offset);
  EXPECT_TRUE(std::equal(a->data.begin(), a->data.end(), ramp.begin(), ramp.end()));
}

// Metadata is a copy: what the owner of the memory does to it later cannot turn a checked length into a wild one.
TEST(File, KeepsItsMetadataWhenTheBytesChange) {
  Writer writer;
  writer.add_array("texts", std::vector<std::string>{"one", "two"});
  auto bytes = writer.to_bytes().value();
  const auto file = File::from_memory(bytes, "m.gguf").value();
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  EXPECT_EQ(file->get_string_array("texts"), (std::vector<std::string_view>{"one", "two"}));
}

TEST(File, AFileThatShrinksLaterIsAnErrorAndNotASignal) {
  const std::string path = temp_path("shrinks.gguf");
  const std::vector<std::byte> weights(1 << 20, std::byte{1});
  Writer writer;
  writer.add("general.architecture", "qwen3moe");
  writer.add_tensor("w", kF32, {weights.size() / 4}, weights);
  ASSERT_TRUE(writer.write_file(path).has_value());
  const auto file = File::open(path).value();
  EXPECT_TRUE(file->check_intact().has_value());
  ASSERT_EQ(::truncate(path.c_str(), 100), 0);
  const TensorInfo* const w = file->find_tensor("w");
  EXPECT_EQ(w->data.back(), std::byte{0});  // the page is gone, and we are not
  EXPECT_EQ(file->get_string("general.architecture"), "qwen3moe");
  const auto status = file->check_intact();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kIo);
  EXPECT_NE(status.error().message.find("shrank while it was mapped"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(File, OpenSaysWhatIsNoFile) {
  EXPECT_EQ(File::open("/no/such/model.gguf").error().code, Code::kNotFound);
  EXPECT_EQ(File::open(testing::TempDir()).error().code, Code::kInvalidArgument);
}

TEST(Value, DescribesItself) {
  EXPECT_EQ((Value{ValueType::kUint32, uint64_t{48}}.describe()), "uint32 48");
  EXPECT_EQ((Value{ValueType::kInt8, int64_t{-1}}.describe()), "int8 -1");
  EXPECT_EQ((Value{ValueType::kFloat32, 0.5}.describe()), "float32 0.5");
  EXPECT_EQ((Value{ValueType::kBool, false}.describe()), "bool false");
  EXPECT_EQ((Value{ValueType::kString, std::string_view("\x1b[0m")}.describe()), "string '\\x1b[0m'");
  EXPECT_EQ((Value{ValueType::kArray, Array(ValueType::kInt16, std::vector<std::byte>(6))}.describe()),
            "array of 3 int16");
}

}  // namespace
}  // namespace tercet::gguf
