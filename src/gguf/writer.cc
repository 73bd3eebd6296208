#include "gguf/writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "base/checked.h"
#include "base/text.h"

namespace tercet::gguf {
namespace {

constexpr uint32_t kVersion = 3;

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append_value(std::vector<std::byte>& out, T value) {
  append(out, std::as_bytes(std::span(&value, 1)));
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
  append_value(out, uint64_t{text.size()});
  append(out, std::as_bytes(std::span(text)));
}

tl::unexpected<Error> tensor_error(std::string_view name, std::string_view what) {
  return error(Code::kInvalidArgument, "GGUF writer: tensor '{}': {}", printable(name), what);
}

tl::unexpected<Error> file_error(const std::string& path, std::string_view doing) {
  return error(Code::kIo, "{}: {}: {}", printable(path, 4096), doing, std::generic_category().message(errno));
}

}  // namespace

void Writer::put_text(std::string_view text) { append_text(metadata_, text); }

void Writer::put_key(std::string_view key, ValueType type) {
  put_text(key);
  put(type);
  ++n_key_;
}

void Writer::put_array(ValueType element_type, size_t count) {
  put(element_type);
  put(uint64_t{count});
}

void Writer::add(std::string_view key, std::string_view text) {
  put_key(key, ValueType::kString);
  put_text(text);
}

void Writer::set_alignment(uint32_t alignment) {
  add("general.alignment", alignment);
  alignment_ = alignment;
}

void Writer::add_tensor(std::string_view name, uint32_t type, std::vector<uint64_t> dims,
                        std::span<const std::byte> data) {
  tensors_.push_back({std::string(name), type, std::move(dims), data});
}

Result<Layout> Writer::layout() const {
  Layout out = {};
  append(out.header, std::as_bytes(std::span(std::string_view("GGUF"))));
  append_value(out.header, kVersion);
  append_value(out.header, uint64_t{tensors_.size()});
  append_value(out.header, n_key_);
  append(out.header, metadata_);

  // An alignment of 0 is for parse() to refuse.
  const uint64_t alignment = std::max(alignment_, uint32_t{1});
  uint64_t data_bytes = 0;
  for (const auto& tensor : tensors_) {
    const auto size = measure_tensor(tensor.type, tensor.dims);
    if (!size) return tensor_error(tensor.name, size.error().message);
    append_text(out.header, tensor.name);
    append_value(out.header, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) append_value(out.header, dim);
    append_value(out.header, tensor.type);
    append_value(out.header, data_bytes);
    out.tensors.push_back({tensor.name, data_bytes, size->n_byte});
    const auto end = checked_add(data_bytes, size->n_byte);
    const auto padded = end ? checked_align_up(*end, alignment) : std::nullopt;
    if (!padded) return tensor_error(tensor.name, "the file would be over 2^64 bytes long");
    data_bytes = *padded;
  }
  out.header.resize(*checked_align_up(out.header.size(), alignment));
  const auto file_bytes = checked_add<uint64_t>(out.header.size(), data_bytes);
  if (!file_bytes) return error(Code::kInvalidArgument, "GGUF writer: the file would be over 2^64 bytes long");
  out.file_bytes = *file_bytes;
  for (auto& tensor : out.tensors) tensor.offset += out.header.size();

  // Nothing is written that would not be read.
  const auto read_back = parse(out.header, out.file_bytes, "GGUF writer");
  if (!read_back) return error(Code::kInvalidArgument, "{}", read_back.error().message);
  return out;
}

Result<Layout> Writer::layout_with_data() const {
  ASSIGN_OR_RETURN(Layout plan, layout());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const uint64_t seen = tensors_[i].data.size();
    const uint64_t wanted = plan.tensors[i].n_byte;
    if (seen != wanted) return tensor_error(tensors_[i].name, fmt::format("{} bytes of data, want {}", seen, wanted));
  }
  return plan;
}

Status Writer::write(const Sink& sink) const {
  ASSIGN_OR_RETURN(const Layout plan, layout_with_data());
  return write_planned(plan, sink);
}

Status Writer::write_planned(const Layout& plan, const Sink& sink) const {
  RETURN_IF_ERROR(sink(plan.header));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    RETURN_IF_ERROR(sink(tensors_[i].data));
    const auto& placed = plan.tensors[i];
    const uint64_t next = i + 1 < tensors_.size() ? plan.tensors[i + 1].offset : plan.file_bytes;
    const std::vector<std::byte> padding(next - (placed.offset + placed.n_byte));
    if (!padding.empty()) RETURN_IF_ERROR(sink(padding));
  }
  return {};
}

Result<std::vector<std::byte>> Writer::to_bytes() const {
  std::vector<std::byte> out;
  RETURN_IF_ERROR(write([&](std::span<const std::byte> bytes) {
    append(out, bytes);
    return Status{};
  }));
  return out;
}

Status Writer::write_file(const std::string& path) const {
  ASSIGN_OR_RETURN(const Layout plan, layout_with_data());  // before the file that is there is lost
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), &std::fclose);
  if (file == nullptr) return file_error(path, "cannot be opened for writing");
  RETURN_IF_ERROR(write_planned(plan, [&](std::span<const std::byte> bytes) -> Status {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
      return file_error(path, "cannot be written");
    return {};
  }));
  if (std::fclose(file.release()) != 0) return file_error(path, "cannot be written");
  return {};
}

}  // namespace tercet::gguf
