#include "gguf/writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gguf/gguf.h"
#include "gguf/test_files.h"

namespace tercet::gguf {
namespace {

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ80 = 8;

std::string refusal_of(const Writer& writer) {
  const auto layout = writer.layout();
  if (layout.has_value()) return "no error";
  EXPECT_EQ(layout.error().code, Code::kInvalidArgument);
  return layout.error().message;
}

TEST(Writer, APlannedFileFilledInPlaceIsTheFileWrittenAtOnce) {
  const std::vector<std::byte> norm(12, std::byte{1});
  const std::vector<std::byte> wq(34 * 3, std::byte{2});
  Writer with_data;
  Writer without;
  for (Writer* writer : {&with_data, &without}) {
    writer->add("general.architecture", "qwen3moe");
    writer->set_alignment(64);
  }
  with_data.add_tensor("norm", kF32, {3}, norm);
  with_data.add_tensor("wq", kQ80, {32, 3}, wq);
  without.add_tensor("norm", kF32, {3});
  without.add_tensor("wq", kQ80, {32, 3});

  const Layout layout = without.layout().value();
  std::vector<std::byte> buffer(layout.file_bytes);
  std::copy(layout.header.begin(), layout.header.end(), buffer.begin());
  ASSERT_EQ(layout.tensors.size(), 2u);
  EXPECT_EQ(layout.tensors[0].name, "norm");
  EXPECT_EQ(layout.tensors[0].offset, layout.header.size());
  EXPECT_EQ(layout.tensors[1].offset, layout.header.size() + 64);
  EXPECT_EQ(layout.file_bytes, layout.header.size() + 64 + 128);
  for (const auto& tensor : layout.tensors) {
    const auto& data = tensor.name == "norm" ? norm : wq;
    ASSERT_EQ(tensor.n_byte, data.size());
    std::copy(data.begin(), data.end(), buffer.begin() + static_cast<ptrdiff_t>(tensor.offset));
  }
  EXPECT_EQ(buffer, with_data.to_bytes().value());
  EXPECT_EQ(File::from_memory(buffer, "m.gguf").value()->find_tensor("wq")->data[101], std::byte{2});
}

TEST(Writer, AnEmptyFileIsAFile) {
  const auto bytes = Writer().to_bytes().value();
  const auto file = File::from_memory(bytes, "m.gguf").value();
  EXPECT_TRUE(file->metadata().empty());
  EXPECT_TRUE(file->tensors().empty());
}

TEST(Writer, RefusesWhatTheReaderWould) {
  Writer twice;
  twice.add("k", uint8_t{1});
  twice.add("k", uint8_t{1});
  EXPECT_EQ(refusal_of(twice), "GGUF writer: key 'k': appears more than once");

  Writer twin;
  twin.add_tensor("t", kF32, {1});
  twin.add_tensor("t", kF32, {1});
  EXPECT_EQ(refusal_of(twin), "GGUF writer: tensor 't': appears more than once");

  Writer odd_rows;
  odd_rows.add_tensor("t", kQ80, {33});
  EXPECT_EQ(refusal_of(odd_rows),
            "GGUF writer: tensor 't': rows of 33 elements, want a multiple of Q8_0's block of 32");

  Writer nameless;
  nameless.add("", uint8_t{1});
  EXPECT_EQ(refusal_of(nameless), "GGUF writer: key 1 of 1: its name has 0 bytes, want 1 to 65535");

  for (const uint32_t alignment : {0u, 48u}) {
    Writer misaligned;
    misaligned.set_alignment(alignment);
    misaligned.add_tensor("t", kF32, {1});
    EXPECT_NE(refusal_of(misaligned).find("want a power of two from 8 to 1048576"), std::string::npos);
  }

  Writer too_large;
  for (const char* name : {"a", "b", "c"}) too_large.add_tensor(name, 24, {uint64_t{1} << 62, 1});
  too_large.add_tensor("d", 24, {uint64_t{1} << 62, 1});
  EXPECT_EQ(refusal_of(too_large), "GGUF writer: tensor 'd': the file would be over 2^64 bytes long");
}

TEST(Writer, RefusesDataOfTheWrongSizeAndLosesNoFile) {
  const std::string path = temp_path("writer.gguf");
  std::ofstream(path) << "precious";
  Writer writer;
  writer.add_tensor("t", kF32, {2});
  const auto status = writer.write_file(path);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "GGUF writer: tensor 't': 0 bytes of data, want 8");
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
  EXPECT_FALSE(writer.to_bytes().has_value());
  std::filesystem::remove(path);
}

TEST(Writer, SaysWhenItCannotWrite) {
  Writer writer;
  writer.add("k", uint8_t{1});
  const auto nowhere = writer.write_file("/no/such/folder/m.gguf");
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, Code::kIo);
  EXPECT_EQ(nowhere.error().message, "/no/such/folder/m.gguf: cannot be opened for writing: No such file or directory");
  const auto full = writer.write_file("/dev/full");
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().message, "/dev/full: cannot be written: No space left on device");
  const auto stopped =
      writer.write([](std::span<const std::byte>) -> Status { return error(Code::kCancelled, "enough"); });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace tercet::gguf
