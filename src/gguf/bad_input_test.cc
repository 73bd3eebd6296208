// Every check of the reader, each with the file that it refuses and the whole message that it gives.
#include <gtest/gtest.h>

#include <ostream>

#include "gguf/gguf.h"
#include "gguf/test_files.h"

namespace tercet::gguf {
namespace {

using enum ValueType;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4K = 12;
constexpr uint64_t kHuge = uint64_t{1} << 60;

struct Bad {
  const char* name;
  RawFile file;
  Code code;
  std::string message;  // after "m.gguf: "
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadInput : public testing::TestWithParam<Bad> {};

TEST_P(BadInput, IsRefusedWithItsOwnMessage) {
  const auto file = File::from_memory(GetParam().file.data(), "m.gguf");
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message, "m.gguf: " + GetParam().message);
  EXPECT_EQ(code_name(file.error().code), code_name(GetParam().code));
}

std::string label(const testing::TestParamInfo<Bad>& info) { return info.param.name; }

RawFile one_key() { return RawFile(0, 1); }
RawFile one_tensor() { return RawFile(1, 0); }

// A file of one tensor with enough behind it; the directory entry is what is wrong.
RawFile tensor_file(const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset = 0) {
  return one_tensor().tensor("t", dims, type, offset).pad_to(32).zeros(4096);
}

INSTANTIATE_TEST_SUITE_P(
    Preamble, BadInput,
    testing::Values(
        Bad{"Nothing", RawFile(), Code::kCorrupt,
            "header: the magic 'GGUF' needs 4 bytes at offset 0, 0 are left: the file is truncated or damaged"},
        Bad{"NotGguf", RawFile().bytes("PK\x03\x04 whatever"), Code::kCorrupt,
            "not a GGUF file: begins with 'PK\\x03\\x04', want 'GGUF'"},
        Bad{"BigEndianMagic", RawFile().bytes("FUGG").number(3), Code::kUnsupported,
            "header: big-endian, want a little-endian GGUF file"},
        Bad{"BigEndianVersion", RawFile(0, 0, 0x03000000), Code::kUnsupported,
            "header: big-endian, want a little-endian GGUF file"},
        Bad{"NoVersion", RawFile().bytes("GGUF\x03"), Code::kCorrupt,
            "header: the version needs 4 bytes at offset 4, 1 are left: the file is truncated or damaged"},
        Bad{"Version0", RawFile(0, 0, 0), Code::kUnsupported, "header: version 0, want 2 or 3"},
        Bad{"Version1", RawFile(0, 0, 1), Code::kUnsupported,
            "header: version 1, whose lengths are 32 bits wide, want version 2 or 3"},
        Bad{"Version4", RawFile(0, 0, 4), Code::kUnsupported, "header: version 4, want 2 or 3"},
        Bad{"NoCounts", RawFile().bytes("GGUF").number(uint32_t{3}), Code::kCorrupt,
            "header: the tensor count needs 8 bytes at offset 8, 0 are left: the file is truncated or damaged"},
        Bad{"ManyKeysInASmallFile", RawFile(0, kHuge).zeros(76), Code::kCorrupt,
            "header: 1152921504606846976 keys take at least 14 bytes each, 76 are left: the file is truncated or "
            "damaged"},
        Bad{"ManyTensorsInASmallFile", RawFile(UINT64_MAX, 0).zeros(76), Code::kCorrupt,
            "header: 18446744073709551615 tensors take at least 33 bytes each, 76 are left: the file is truncated or "
            "damaged"},
        Bad{"TooManyKeys", RawFile(0, kMaxKeys + 1).zeros(14 * (kMaxKeys + 1)), Code::kLimit,
            "header: 65537 keys, want at most 65536"},
        Bad{"TooManyTensors", RawFile(kMaxTensors + 1, 0).zeros(33 * (kMaxTensors + 1)), Code::kLimit,
            "header: 262145 tensors, want at most 262144"}),
    label);

INSTANTIATE_TEST_SUITE_P(
    Keys, BadInput,
    testing::Values(
        Bad{"NoName", one_key().string("").zeros(32), Code::kCorrupt,
            "key 1 of 1: its name has 0 bytes, want 1 to 65535"},
        Bad{"LongName", one_key().string(std::string(65'536, 'k')).zeros(32), Code::kCorrupt,
            "key 1 of 1: its name has 65536 bytes, want 1 to 65535"},
        Bad{"NameThatRunsOut", one_key().number(uint64_t{100}).zeros(32), Code::kCorrupt,
            "key 1 of 1: its name needs 100 bytes at offset 32, 32 are left: the file is truncated or damaged"},
        Bad{"NameThatIsNoText", one_key().string("a\xff").zeros(32), Code::kCorrupt,
            "key 1 of 1: its name 'a\\xff' is not UTF-8"},
        Bad{"NamesAreEscapedAndCut", one_key().string("\x1b[2J\n" + std::string(300, 'k')).number(99),
            Code::kUnsupported,
            "key '\\x1b[2J\\x0a" + std::string(75, 'k') + "... (305 bytes)': its type is 99, want 0 to 12"},
        Bad{"UnknownType", one_key().string("k").number(13).zeros(32), Code::kUnsupported,
            "key 'k': its type is 13, want 0 to 12"},
        Bad{"Bool2", one_key().key("k", kBool).number(uint8_t{2}), Code::kCorrupt, "key 'k': bool is 2, want 0 or 1"},
        Bad{"NumberThatRunsOut", one_key().key("k", kUint64).zeros(7), Code::kCorrupt,
            "key 'k': its value needs 8 bytes at offset 37, 7 are left: the file is truncated or damaged"},
        Bad{"StringThatRunsOut", one_key().key("k", kString).number(kHuge).zeros(7), Code::kCorrupt,
            "key 'k': its string needs 1152921504606846976 bytes at offset 45, 7 are left: the file is truncated or "
            "damaged"},
        Bad{"SecondKeyIsMissing", RawFile(0, 2).key("k", kString).string(std::string(9, 'x')), Code::kCorrupt,
            "key 2 of 2: its name's length needs 8 bytes at offset 54, 0 are left: the file is truncated or damaged"},
        Bad{"Twice", RawFile(0, 3).key("k", kBool).zeros(1).key("a", kBool).zeros(1).key("k", kInt8).zeros(1),
            Code::kCorrupt, "key 'k': appears more than once"}),
    label);

INSTANTIATE_TEST_SUITE_P(
    Arrays, BadInput,
    testing::Values(
        Bad{"OfArrays", one_key().array("k", kArray, 1).zeros(64), Code::kUnsupported,
            "key 'k': array of arrays, want an array of numbers, bools or strings"},
        Bad{"OfAnUnknownType", one_key().key("k", kArray).number(77).zeros(64), Code::kUnsupported,
            "key 'k': its element type is 77, want 0 to 12"},
        Bad{"HugeOfNumbers", one_key().array("k", kUint64, kHuge).zeros(40), Code::kCorrupt,
            "key 'k': 1152921504606846976 elements take at least 8 bytes each, 40 are left: the file is truncated or "
            "damaged"},
        Bad{"WhoseBytesWrapAround", one_key().array("k", kUint64, (uint64_t{1} << 61) + 1).zeros(40), Code::kCorrupt,
            "key 'k': 2305843009213693953 elements take at least 8 bytes each, 40 are left: the file is truncated or "
            "damaged"},
        Bad{"HugeOfStrings", one_key().array("k", kString, kHuge).zeros(40), Code::kCorrupt,
            "key 'k': 1152921504606846976 elements take at least 8 bytes each, 40 are left: the file is truncated or "
            "damaged"},
        Bad{"StringThatRunsOut", one_key().array("k", kString, 2).string("ok").number(uint64_t{50}).zeros(9),
            Code::kCorrupt,
            "key 'k': a string of its array needs 50 bytes at offset 67, 9 are left: the file is truncated or damaged"},
        Bad{"LastStringIsMissing", one_key().array("k", kString, 2).string("twelve bytes"), Code::kCorrupt,
            "key 'k': a string of its array needs 8 bytes at offset 69, 0 are left: the file is truncated or damaged"},
        Bad{"Bool3", one_key().array("k", kBool, 3).zeros(2).number(uint8_t{3}), Code::kCorrupt,
            "key 'k': bool at index 2 is 3, want 0 or 1"},
        Bad{"TooLong", one_key().array("k", kUint8, kMaxArrayElements + 1).zeros(kMaxArrayElements + 1), Code::kLimit,
            "key 'k': 2097153 elements, want at most 2097152"},
        Bad{"HeaderTooLong", one_key().key("k", kString).number(kMaxHeaderBytes).zeros(kMaxHeaderBytes), Code::kLimit,
            "key 'k': its string needs 50331648 bytes at offset 45, want a header of at most 50331648 bytes"}),
    label);

RawFile alignment_file(uint32_t alignment) { return one_key().key("general.alignment", kUint32).number(alignment); }

INSTANTIATE_TEST_SUITE_P(
    Alignment, BadInput,
    testing::Values(Bad{"OfAnotherType", one_key().key("general.alignment", kUint64).number(uint64_t{32}),
                        Code::kCorrupt, "key 'general.alignment': is uint64 32, want a uint32"},
                    Bad{"AsText", one_key().key("general.alignment", kString).string("32"), Code::kCorrupt,
                        "key 'general.alignment': is string '32', want a uint32"},
                    Bad{"Zero", alignment_file(0), Code::kCorrupt,
                        "key 'general.alignment': is 0, want a power of two from 8 to 1048576"},
                    Bad{"Four", alignment_file(4), Code::kCorrupt,
                        "key 'general.alignment': is 4, want a power of two from 8 to 1048576"},
                    Bad{"FortyEight", alignment_file(48), Code::kCorrupt,
                        "key 'general.alignment': is 48, want a power of two from 8 to 1048576"},
                    Bad{"TooLarge", alignment_file(1u << 31), Code::kCorrupt,
                        "key 'general.alignment': is 2147483648, want a power of two from 8 to 1048576"}),
    label);

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadInput,
    testing::Values(
        Bad{"NoName", one_tensor().tensor("", {1}, kF32, 0).zeros(64), Code::kCorrupt,
            "tensor 1 of 1: its name has 0 bytes, want 1 to 127"},
        Bad{"LongName", one_tensor().tensor(std::string(128, 't'), {1}, kF32, 0).zeros(64), Code::kCorrupt,
            "tensor 1 of 1: its name has 128 bytes, want 1 to 127"},
        Bad{"NameThatIsNoText", one_tensor().tensor("\xed\xa0\x80", {1}, kF32, 0).zeros(64), Code::kCorrupt,
            "tensor 1 of 1: its name '\\xed\\xa0\\x80' is not UTF-8"},
        Bad{"DirectoryThatRunsOut", one_tensor().string("name").number(uint32_t{2}).zeros(17), Code::kCorrupt,
            "tensor 'name': its type needs 4 bytes at offset 56, 1 are left: the file is truncated or damaged"},
        Bad{"SecondIsMissing", RawFile(2, 0).tensor(std::string(60, 't'), {1}, kF32, 0).zeros(3), Code::kCorrupt,
            "tensor 2 of 2: its name's length needs 8 bytes at offset 116, 3 are left: the file is truncated or "
            "damaged"},
        Bad{"Twice", RawFile(2, 0).tensor("t", {1}, kF32, 0).tensor("t", {1}, kF32, 32).pad_to(32).zeros(64),
            Code::kCorrupt, "tensor 't': appears more than once"},
        Bad{"NoDimensions", tensor_file({}, kF32), Code::kCorrupt, "tensor 't': 0 dimensions, want 1 to 4"},
        Bad{"FiveDimensions", tensor_file({1, 1, 1, 1, 1}, kF32), Code::kCorrupt,
            "tensor 't': 5 dimensions, want 1 to 4"},
        Bad{"BillionsOfDimensions", one_tensor().string("t").number(UINT32_MAX).zeros(64), Code::kCorrupt,
            "tensor 't': 4294967295 dimensions, want 1 to 4"},
        Bad{"ZeroDimension", tensor_file({256, 0}, kF32), Code::kCorrupt,
            "tensor 't': dimension 1 is 0, want at least 1"},
        Bad{"ProductThatWraps", tensor_file({uint64_t{1} << 32, uint64_t{1} << 32, 4}, kF32), Code::kCorrupt,
            "tensor 't': dimensions 4294967296 x 4294967296 x 4 make over 2^63 - 1 elements"},
        Bad{"DimensionOverSigned", tensor_file({uint64_t{1} << 63}, kF32), Code::kCorrupt,
            "tensor 't': dimensions 9223372036854775808 make over 2^63 - 1 elements"},
        Bad{"BytesThatWrap", tensor_file({kHuge, 4}, kF32), Code::kCorrupt,
            "tensor 't': 4611686018427387904 elements of F32 make over 2^63 - 1 bytes"},
        Bad{"UnknownType", tensor_file({256}, 42), Code::kUnsupported, "tensor 't': type 42 is unknown, want 0 to 41"},
        Bad{"RemovedType", tensor_file({256}, 4), Code::kUnsupported,
            "tensor 't': type 4 (Q4_2) was removed from ggml, want a type in use"},
        Bad{"RemovedRepackedType", tensor_file({256}, 31), Code::kUnsupported,
            "tensor 't': type 31 (Q4_0_4_4) was removed from ggml, want a type in use"},
        Bad{"RowsThatAreNoBlocks", tensor_file({128, 2}, kQ4K), Code::kCorrupt,
            "tensor 't': rows of 128 elements, want a multiple of Q4_K's block of 256"}),
    label);

INSTANTIATE_TEST_SUITE_P(
    Data, BadInput,
    testing::Values(
        Bad{"Misaligned", tensor_file({1}, kF32, 77), Code::kCorrupt,
            "tensor 't': offset 77 is not a multiple of the alignment 32"},
        Bad{"MisalignedForTheFile",
            RawFile(1, 1).key("general.alignment", kUint32).number(uint32_t{64}).tensor("t", {1}, kF32, 32).zeros(999),
            Code::kCorrupt, "tensor 't': offset 32 is not a multiple of the alignment 64"},
        Bad{"OneByteShort", one_tensor().tensor("t", {3}, kF32, 0).pad_to(32).zeros(11), Code::kCorrupt,
            "tensor 't': data at 64 to 76 of a file of 75 bytes: it is truncated or damaged"},
        Bad{"NoData", one_tensor().tensor("t", {1}, kF32, 0), Code::kCorrupt,
            "tensor 't': data at 64 to 68 of a file of 57 bytes: it is truncated or damaged"},
        Bad{"BeyondTheFile", tensor_file({1}, kF32, 8192), Code::kCorrupt,
            "tensor 't': data at 8256 to 8260 of a file of 4160 bytes: it is truncated or damaged"},
        Bad{"OffsetThatWraps", tensor_file({1}, kF32, UINT64_MAX - 31), Code::kCorrupt,
            "tensor 't': offset 18446744073709551584 and 4 bytes of data wrap around"},
        Bad{"Overlap",
            RawFile(3, 0).tensor("b", {8}, kF32, 32).tensor("a", {9}, kF32, 0).tensor("c", {8}, kF32, 64).zeros(999),
            Code::kCorrupt, "tensor 'b': data begins at 160, before that of tensor 'a' ends at 164"},
        Bad{"SamePlace", RawFile(2, 0).tensor("a", {8}, kF32, 0).tensor("b", {8}, kF32, 0).zeros(999), Code::kCorrupt,
            "tensor 'b': data begins at 96, before that of tensor 'a' ends at 128"}),
    label);

// What looks odd and is allowed.
TEST(GoodInput, OddButRightFilesAreRead) {
  // Gaps between tensors, tensors in another order than their data, and bytes behind the last one.
  const RawFile gaps =
      RawFile(2, 0).tensor("late", {8}, kF32, 1024).tensor("early", {8}, kF32, 64).pad_to(32).zeros(2048);
  EXPECT_TRUE(File::from_memory(gaps.data(), "m.gguf").has_value());
  // A header that ends before the padding, when there is no tensor to come.
  const RawFile unpadded = one_key().key("k", kUint8).number(uint8_t{1});
  EXPECT_TRUE(File::from_memory(unpadded.data(), "m.gguf").has_value());
  // Names at their longest; a type that can be listed though nothing here runs it.
  const RawFile longest = RawFile(1, 1)
                              .key(std::string(65'535, 'k'), kUint8)
                              .number(uint8_t{1})
                              .tensor(std::string(127, 't'), {256}, 23, 0)
                              .pad_to(32)
                              .zeros(136);
  const auto file = File::from_memory(longest.data(), "m.gguf");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(tensor_type_name((*file)->tensors()[0].type), "IQ4_XS");
  // Strings that are not UTF-8: a vocabulary may hold bytes.
  const RawFile bytes = one_key().array("k", kString, 2).string("\xff").string(std::string_view("\0", 1));
  EXPECT_EQ(File::from_memory(bytes.data(), "m.gguf").value()->get_string_array("k").value()[0], "\xff");
}

}  // namespace
}  // namespace tercet::gguf
