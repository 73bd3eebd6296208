// The reader and the writer against the `gguf` package, whose files tests/oracles/gguf_files.py has written.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gguf/gguf.h"
#include "gguf/test_files.h"
#include "gguf/writer.h"

namespace tercet::gguf {
namespace {

const std::filesystem::path kDir = std::filesystem::path(TERCET_ORACLE_DIR) / "gguf";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// A scalar as the oracle's show() gives it.
std::string show(const Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value.data)) {
    std::string hex;
    for (const char c : *text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex.empty() ? "-" : hex;
  }
  if (const auto* flag = std::get_if<bool>(&value.data)) return *flag ? "1" : "0";
  if (const auto* number = std::get_if<double>(&value.data))
    return value.type == ValueType::kFloat32
               ? fmt::format("{:08x}", std::bit_cast<uint32_t>(static_cast<float>(*number)))
               : fmt::format("{:016x}", std::bit_cast<uint64_t>(*number));
  if (const auto* number = std::get_if<int64_t>(&value.data)) return std::to_string(*number);
  return std::to_string(std::get<uint64_t>(value.data));
}

uint64_t fnv1a(std::span<const std::byte> bytes) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const std::byte b : bytes) digest = (digest ^ std::to_integer<uint64_t>(b)) * 0x100000001b3;
  return digest;
}

// The file as the oracle's text describes it.
std::string describe(const File& file) {
  std::string out =
      fmt::format("version {}\nalignment {}\ndata_offset {}\n", file.version(), file.alignment(), file.data_offset());
  for (const auto& [key, value] : file.metadata()) {
    out += fmt::format("kv {} {}", key, value_type_name(value.type));
    if (const auto* array = std::get_if<Array>(&value.data)) {
      out += fmt::format(" {} {}", value_type_name(array->element_type()), array->size());
      for (size_t i = 0; i < array->size(); ++i) out += fmt::format(" {}", show(array->at(i)));
    } else {
      out += fmt::format(" {}", show(value));
    }
    out += "\n";
  }
  for (const auto& t : file.tensors())
    out += fmt::format("tensor {} {} {} {} {} {:016x}\n", t.name, t.type, fmt::join(t.dims, "x"), t.offset,
                       t.data.size(), fnv1a(t.data));
  return out;
}

// Every name with the contents that the oracle gave it.
class OracleFile : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = kDir / (GetParam() + std::string(".gguf"));
    auto file = File::open(path_.string());
    ASSERT_TRUE(file.has_value()) << file.error().message;
    file_ = *std::move(file);
  }
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
};

TEST_P(OracleFile, SaysWhatTheOracleSays) {
  auto expected = path_;
  EXPECT_EQ(describe(*file_), read_text(expected.replace_extension(".txt")));
}

TEST_P(OracleFile, IsTheSameFromMemory) {
  const std::string text = read_text(path_);
  const auto copy = File::from_memory(std::as_bytes(std::span(text)), "copy");
  ASSERT_TRUE(copy.has_value()) << copy.error().message;
  EXPECT_EQ(describe(**copy), describe(*file_));
  EXPECT_EQ((*copy)->path(), "copy");
  EXPECT_EQ((*copy)->size_bytes(), text.size());
  EXPECT_TRUE((*copy)->check_intact().has_value());
}

// Adds an element type's array, or a scalar, in exactly that type.
template <typename T>
void add(Writer& writer, std::string_view key, const Value& value) {
  const auto as_t = [](const Value& v) -> T {
    if constexpr (std::is_same_v<T, bool>)
      return std::get<bool>(v.data);
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(std::get<double>(v.data));
    else if constexpr (std::is_same_v<T, std::string_view>)
      return std::get<std::string_view>(v.data);
    else
      return v.as_integer<T>().value();
  };
  const auto* array = std::get_if<Array>(&value.data);
  if (array == nullptr) return writer.add(key, as_t(value));
  std::vector<T> elements;
  for (size_t i = 0; i < array->size(); ++i) elements.push_back(as_t(array->at(i)));
  writer.add_array(key, elements);
}

void add(Writer& writer, std::string_view key, const Value& value) {
  const auto* array = std::get_if<Array>(&value.data);
  switch (array != nullptr ? array->element_type() : value.type) {
    case ValueType::kUint8: return add<uint8_t>(writer, key, value);
    case ValueType::kInt8: return add<int8_t>(writer, key, value);
    case ValueType::kUint16: return add<uint16_t>(writer, key, value);
    case ValueType::kInt16: return add<int16_t>(writer, key, value);
    case ValueType::kUint32: return add<uint32_t>(writer, key, value);
    case ValueType::kInt32: return add<int32_t>(writer, key, value);
    case ValueType::kFloat32: return add<float>(writer, key, value);
    case ValueType::kBool: return add<bool>(writer, key, value);
    case ValueType::kString: return add<std::string_view>(writer, key, value);
    case ValueType::kUint64: return add<uint64_t>(writer, key, value);
    case ValueType::kInt64: return add<int64_t>(writer, key, value);
    case ValueType::kFloat64: return add<double>(writer, key, value);
    case ValueType::kArray: FAIL() << key;
  }
}

// The strongest thing to say about the writer: given the same contents, its bytes are the package's, which the
// package's reader has read in the oracle.
TEST_P(OracleFile, IsWrittenAgainByteForByte) {
  Writer writer;
  for (const auto& [key, value] : file_->metadata()) {
    if (key == "general.alignment") {
      writer.set_alignment(file_->alignment());
    } else {
      add(writer, key, value);
    }
  }
  for (const auto& t : file_->tensors()) writer.add_tensor(t.name, t.type, {t.dims.begin(), t.dims.end()}, t.data);
  const std::filesystem::path copy = temp_path(GetParam());
  const auto status = writer.write_file(copy.string());
  ASSERT_TRUE(status.has_value()) << status.error().message;
  std::string expected = read_text(path_);
  expected[4] = 3;  // the version that is written
  EXPECT_EQ(read_text(copy), expected);
  std::filesystem::remove(copy);
}

INSTANTIATE_TEST_SUITE_P(All, OracleFile, testing::Values("rich", "rich_v2", "aligned_8", "aligned_4096", "no_tensors"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(TensorTypes, AreThoseOfThePackage) {
  std::istringstream rows(read_text(kDir / "types.txt"));
  uint32_t id = 0, size = 0, n_byte = 0;
  std::string name;
  int n_row = 0;
  while (rows >> id >> name >> size >> n_byte) {
    const TensorType* const type = find_tensor_type(id);
    ASSERT_NE(type, nullptr) << name;
    EXPECT_EQ(type->name, name);
    EXPECT_EQ(type->block_size, size) << name;
    EXPECT_EQ(type->block_bytes, n_byte) << name;
    ++n_row;
  }
  // All that ggml has in use, but for Q8_1 (see the oracle).
  const auto types = tensor_types();
  EXPECT_EQ(n_row + 1, std::count_if(types.begin(), types.end(), [](const auto& t) { return t.block_size != 0; }));
  EXPECT_EQ(tensor_type_name(12), "Q4_K");
  EXPECT_EQ(tensor_type_name(99), "type 99");
}

}  // namespace
}  // namespace tercet::gguf
