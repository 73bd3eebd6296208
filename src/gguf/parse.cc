#include "gguf/parse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/text.h"

namespace tercet::gguf {
namespace {

// The least that an entry takes: a key of one byte with a uint8; a tensor of one dimension with a name of one byte.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr uint64_t kCopyStep = uint64_t{64} << 10;

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, uint64_t file_bytes, std::string_view name)
      : bytes_(bytes),
        file_bytes_(file_bytes),
        file_name_(printable(name, 4096)),
        header_(std::make_unique_for_overwrite<std::byte[]>(std::min<uint64_t>(bytes.size(), kMaxHeaderBytes))) {}

  Result<Contents> run() {
    RETURN_IF_ERROR(parse_preamble());
    RETURN_IF_ERROR(parse_metadata());
    RETURN_IF_ERROR(choose_alignment());
    RETURN_IF_ERROR(parse_directory());
    RETURN_IF_ERROR(place_tensors());
    out_.header = std::move(header_);
    return std::move(out_);
  }

 private:
  Status parse_preamble();
  Status parse_metadata();
  Status choose_alignment();
  Status parse_directory();
  Status place_tensors();
  Status check_overlaps();

  Result<KeyValue> take_key_value();
  Result<Value> take_value(ValueType type);
  Result<Value> take_array();
  Result<Value> take_strings(uint64_t count);
  Result<TensorInfo> take_tensor();
  Result<ValueType> take_type(std::string_view what);
  Result<std::string_view> take_name(uint64_t max_bytes);
  Result<std::string_view> take_string(std::string_view what);
  template <typename T>
  Result<T> take(std::string_view what);

  // Says whether the next n_byte bytes are there, and copies as far.
  Status need(uint64_t n_byte, std::string_view what);
  Status check_count(uint64_t count, std::string_view what, uint64_t min_bytes, uint64_t max_count) const;

  // FILE: PLACE: what is wrong
  template <typename... Args>
  tl::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) const {
    return error(code, "{}: {}: {}", file_name_, place(), fmt::format(format, std::forward<Args>(args)...));
  }
  std::string place() const;

  // Where in the file we are, for messages. An entry whose name is not read yet goes by its number.
  enum class Section { kHeader, kKey, kTensor };
  Section section_ = Section::kHeader;
  uint64_t entry_ = 0;
  std::string_view entry_name_;

  std::span<const std::byte> bytes_;
  uint64_t file_bytes_;
  std::string file_name_;
  std::unique_ptr<std::byte[]> header_;
  uint64_t n_copied_ = 0;
  uint64_t position_ = 0;  // <= kMaxHeaderBytes
  uint64_t n_tensor_ = 0;
  uint64_t n_key_ = 0;
  Contents out_ = {};
};

std::string Parser::place() const {
  if (section_ == Section::kHeader) return "header";
  const bool is_key = section_ == Section::kKey;
  const std::string_view kind = is_key ? "key" : "tensor";
  if (!entry_name_.empty()) return fmt::format("{} '{}'", kind, printable(entry_name_));
  return fmt::format("{} {} of {}", kind, entry_ + 1, is_key ? n_key_ : n_tensor_);
}

Status Parser::need(uint64_t n_byte, std::string_view what) {
  const uint64_t n_left = bytes_.size() - position_;
  if (n_byte > n_left)
    return fail(Code::kCorrupt, "{} needs {} bytes at offset {}, {} are left: the file is truncated or damaged", what,
                n_byte, position_, n_left);
  if (n_byte > kMaxHeaderBytes - position_)
    return fail(Code::kLimit, "{} needs {} bytes at offset {}, want a header of at most {} bytes", what, n_byte,
                position_, kMaxHeaderBytes);
  if (position_ + n_byte > n_copied_) {
    // In large steps, within what the copy has room for.
    const uint64_t room = std::min<uint64_t>(bytes_.size(), kMaxHeaderBytes);
    const uint64_t end = std::min(room, position_ + n_byte + kCopyStep);
    std::memcpy(header_.get() + n_copied_, bytes_.data() + n_copied_, end - n_copied_);
    n_copied_ = end;
  }
  return {};
}

Status Parser::check_count(uint64_t count, std::string_view what, uint64_t min_bytes, uint64_t max_count) const {
  const uint64_t n_left = bytes_.size() - position_;
  if (count > n_left / min_bytes)
    return fail(Code::kCorrupt, "{} {} take at least {} bytes each, {} are left: the file is truncated or damaged",
                count, what, min_bytes, n_left);
  if (count > max_count) return fail(Code::kLimit, "{} {}, want at most {}", count, what, max_count);
  return {};
}

template <typename T>
Result<T> Parser::take(std::string_view what) {
  RETURN_IF_ERROR(need(sizeof(T), what));
  T value;
  std::memcpy(&value, header_.get() + position_, sizeof value);
  position_ += sizeof value;
  return value;
}

Result<std::string_view> Parser::take_string(std::string_view what) {
  ASSIGN_OR_RETURN(const uint64_t n_byte, take<uint64_t>(what));
  RETURN_IF_ERROR(need(n_byte, what));
  const std::string_view text(reinterpret_cast<const char*>(header_.get()) + position_, n_byte);
  position_ += n_byte;
  return text;
}

Result<std::string_view> Parser::take_name(uint64_t max_bytes) {
  ASSIGN_OR_RETURN(const uint64_t n_byte, take<uint64_t>("its name's length"));
  if (n_byte < 1 || n_byte > max_bytes)
    return fail(Code::kCorrupt, "its name has {} bytes, want 1 to {}", n_byte, max_bytes);
  RETURN_IF_ERROR(need(n_byte, "its name"));
  const std::string_view name(reinterpret_cast<const char*>(header_.get()) + position_, n_byte);
  position_ += n_byte;
  if (!is_utf8(name)) return fail(Code::kCorrupt, "its name '{}' is not UTF-8", printable(name));
  return name;
}

Result<ValueType> Parser::take_type(std::string_view what) {
  ASSIGN_OR_RETURN(const uint32_t id, take<uint32_t>(what));
  if (id >= kValueTypeCount) return fail(Code::kUnsupported, "{} is {}, want 0 to {}", what, id, kValueTypeCount - 1);
  return static_cast<ValueType>(id);
}

Status Parser::parse_preamble() {
  ASSIGN_OR_RETURN(const auto magic, (take<std::array<char, 4>>("the magic 'GGUF'")));
  const std::string_view seen(magic.data(), magic.size());
  constexpr std::string_view kBigEndian = "big-endian, want a little-endian GGUF file";
  if (seen == "FUGG") return fail(Code::kUnsupported, "{}", kBigEndian);
  if (seen != "GGUF")
    return error(Code::kCorrupt, "{}: not a GGUF file: begins with '{}', want 'GGUF'", file_name_, printable(seen));
  ASSIGN_OR_RETURN(out_.version, take<uint32_t>("the version"));
  if (out_.version != 0 && (out_.version & 0xffff) == 0) return fail(Code::kUnsupported, "{}", kBigEndian);
  if (out_.version == 1)
    return fail(Code::kUnsupported, "version 1, whose lengths are 32 bits wide, want version 2 or 3");
  if (out_.version != 2 && out_.version != 3) return fail(Code::kUnsupported, "version {}, want 2 or 3", out_.version);
  ASSIGN_OR_RETURN(n_tensor_, take<uint64_t>("the tensor count"));
  ASSIGN_OR_RETURN(n_key_, take<uint64_t>("the key count"));
  RETURN_IF_ERROR(check_count(n_key_, "keys", kMinKeyValueBytes, kMaxKeys));
  return check_count(n_tensor_, "tensors", kMinTensorBytes, kMaxTensors);
}

// Sorts the indices of `entries` by name into `order`; the later of two entries of one name, or nullptr.
template <typename Entry>
const Entry* sort_by_name(const std::vector<Entry>& entries, std::string_view Entry::* name,
                          std::vector<uint32_t>& order) {
  order.resize(entries.size());
  std::iota(order.begin(), order.end(), uint32_t{0});
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return entries[a].*name < entries[b].*name; });
  const auto twin = std::adjacent_find(order.begin(), order.end(),
                                       [&](uint32_t a, uint32_t b) { return entries[a].*name == entries[b].*name; });
  return twin == order.end() ? nullptr : &entries[*twin];
}

Status Parser::parse_metadata() {
  section_ = Section::kKey;
  out_.metadata.reserve(n_key_);
  for (entry_ = 0; entry_ < n_key_; ++entry_) {
    entry_name_ = {};
    ASSIGN_OR_RETURN(auto key_value, take_key_value());
    out_.metadata.push_back(std::move(key_value));
  }
  const KeyValue* const twin = sort_by_name(out_.metadata, &KeyValue::key, out_.by_key);
  if (twin == nullptr) return {};
  entry_name_ = twin->key;
  return fail(Code::kCorrupt, "appears more than once");
}

Result<KeyValue> Parser::take_key_value() {
  ASSIGN_OR_RETURN(entry_name_, take_name(kMaxKeyBytes));
  ASSIGN_OR_RETURN(const ValueType type, take_type("its type"));
  ASSIGN_OR_RETURN(auto value, take_value(type));
  return KeyValue{entry_name_, std::move(value)};
}

Result<Value> Parser::take_value(ValueType type) {
  if (type == ValueType::kArray) return take_array();
  if (type == ValueType::kString) {
    ASSIGN_OR_RETURN(const std::string_view text, take_string("its string"));
    return Value{type, text};
  }
  const size_t n_byte = value_type_bytes(type);
  RETURN_IF_ERROR(need(n_byte, "its value"));
  const std::byte* const at = header_.get() + position_;
  if (type == ValueType::kBool && std::to_integer<uint8_t>(*at) > 1)
    return fail(Code::kCorrupt, "bool is {}, want 0 or 1", std::to_integer<int>(*at));
  position_ += n_byte;
  return decode_scalar(type, at);
}

Result<Value> Parser::take_array() {
  ASSIGN_OR_RETURN(const ValueType type, take_type("its element type"));
  if (type == ValueType::kArray)
    return fail(Code::kUnsupported, "array of arrays, want an array of numbers, bools or strings");
  ASSIGN_OR_RETURN(const uint64_t count, take<uint64_t>("its element count"));
  const size_t min_bytes = type == ValueType::kString ? sizeof(uint64_t) : value_type_bytes(type);
  RETURN_IF_ERROR(check_count(count, "elements", min_bytes, kMaxArrayElements));
  if (type == ValueType::kString) return take_strings(count);

  const uint64_t n_byte = count * min_bytes;
  RETURN_IF_ERROR(need(n_byte, "its elements"));
  const std::span<const std::byte> raw(header_.get() + position_, n_byte);
  if (type == ValueType::kBool) {
    const auto bad = std::find_if(raw.begin(), raw.end(), [](std::byte b) { return b > std::byte{1}; });
    if (bad != raw.end())
      return fail(Code::kCorrupt, "bool at index {} is {}, want 0 or 1", bad - raw.begin(), std::to_integer<int>(*bad));
  }
  position_ += n_byte;
  return Value{ValueType::kArray, Array(type, raw)};
}

Result<Value> Parser::take_strings(uint64_t count) {
  const uint64_t begin = position_;
  std::vector<uint32_t> starts;  // 32 bits hold them: kMaxHeaderBytes does not go further
  static_assert(kMaxHeaderBytes <= UINT32_MAX);
  starts.reserve(count + 1);
  for (uint64_t i = 0; i < count; ++i) {
    starts.push_back(static_cast<uint32_t>(position_ - begin));
    RETURN_IF_ERROR(take_string("a string of its array"));
  }
  starts.push_back(static_cast<uint32_t>(position_ - begin));
  const std::span<const std::byte> raw(header_.get() + begin, position_ - begin);
  return Value{ValueType::kArray, Array(raw, std::move(starts))};
}

Status Parser::choose_alignment() {
  out_.alignment = kDefaultAlignment;
  for (const auto& [key, value] : out_.metadata) {
    if (key != "general.alignment") continue;
    entry_name_ = key;
    if (value.type != ValueType::kUint32) return fail(Code::kCorrupt, "is {}, want a uint32", value.describe());
    const auto alignment = static_cast<uint32_t>(std::get<uint64_t>(value.data));
    if (!std::has_single_bit(alignment) || alignment < kMinAlignment || alignment > kMaxAlignment)
      return fail(Code::kCorrupt, "is {}, want a power of two from {} to {}", alignment, kMinAlignment, kMaxAlignment);
    out_.alignment = alignment;
  }
  return {};
}

Status Parser::parse_directory() {
  section_ = Section::kTensor;
  out_.tensors.reserve(n_tensor_);
  for (entry_ = 0; entry_ < n_tensor_; ++entry_) {
    entry_name_ = {};
    ASSIGN_OR_RETURN(const TensorInfo info, take_tensor());
    out_.tensors.push_back(info);
  }
  const TensorInfo* const twin = sort_by_name(out_.tensors, &TensorInfo::name, out_.by_name);
  if (twin == nullptr) return {};
  entry_name_ = twin->name;
  return fail(Code::kCorrupt, "appears more than once");
}

Result<TensorInfo> Parser::take_tensor() {
  TensorInfo info = {};
  ASSIGN_OR_RETURN(info.name, take_name(kMaxTensorNameBytes));
  entry_name_ = info.name;
  ASSIGN_OR_RETURN(const uint32_t n_dim, take<uint32_t>("its number of dimensions"));
  if (n_dim < 1 || n_dim > kMaxDims) return fail(Code::kCorrupt, "{} dimensions, want 1 to {}", n_dim, kMaxDims);
  std::array<uint64_t, kMaxDims> dims = {};
  for (uint32_t i = 0; i < n_dim; ++i) {
    ASSIGN_OR_RETURN(dims[i], take<uint64_t>("its dimensions"));
  }
  info.dims = Dims(std::span(dims).first(n_dim));
  ASSIGN_OR_RETURN(info.type, take<uint32_t>("its type"));
  ASSIGN_OR_RETURN(info.offset, take<uint64_t>("its offset"));  // from data_offset, until place_tensors()
  const auto size = measure_tensor(info.type, info.dims);
  if (!size) return fail(size.error().code, "{}", size.error().message);
  info.n_element = size->n_element;
  info.n_byte = size->n_byte;
  if (info.offset % out_.alignment != 0)
    return fail(Code::kCorrupt, "offset {} is not a multiple of the alignment {}", info.offset, out_.alignment);
  return info;
}

Status Parser::place_tensors() {
  section_ = Section::kTensor;
  out_.data_offset = *checked_align_up(position_, out_.alignment);  // both are small
  for (auto& info : out_.tensors) {
    entry_name_ = info.name;
    const auto begin = checked_add(out_.data_offset, info.offset);
    const auto end = begin ? checked_add(*begin, info.n_byte) : std::nullopt;
    if (!end) return fail(Code::kCorrupt, "offset {} and {} bytes of data wrap around", info.offset, info.n_byte);
    if (*end > file_bytes_)
      return fail(Code::kCorrupt, "data at {} to {} of a file of {} bytes: it is truncated or damaged", *begin, *end,
                  file_bytes_);
    info.offset = *begin;
  }
  return check_overlaps();
}

Status Parser::check_overlaps() {
  std::vector<uint32_t> order(out_.tensors.size());
  std::iota(order.begin(), order.end(), uint32_t{0});
  const auto offset = [&](uint32_t i) { return out_.tensors[i].offset; };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return offset(a) < offset(b); });
  for (size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& before = out_.tensors[order[i - 1]];
    const TensorInfo& info = out_.tensors[order[i]];
    if (before.offset + before.n_byte <= info.offset) continue;
    entry_name_ = info.name;
    return fail(Code::kCorrupt, "data begins at {}, before that of tensor '{}' ends at {}", info.offset,
                printable(before.name), before.offset + before.n_byte);
  }
  return {};
}

}  // namespace

Result<Contents> parse(std::span<const std::byte> bytes, uint64_t file_bytes, std::string_view name) {
  return Parser(bytes, file_bytes, name).run();
}

}  // namespace tercet::gguf
