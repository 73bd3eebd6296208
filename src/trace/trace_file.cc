#include "trace/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"

namespace tercet::trace {
namespace {

namespace json = boost::json;
using backend::Tap;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

std::string join(std::span<const int32_t> tokens) { return fmt::format("{}", fmt::join(tokens, ",")); }

bool is_regular_or_absent(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

}  // namespace

std::string tensor_name(Tap tap, int layer) {
  const backend::TapInfo& info = backend::tap_info(tap);
  return info.per_layer ? fmt::format("{}-{}", info.name, layer) : std::string(info.name);
}

int64_t tap_width(Tap tap, const model::Config& config) {
  switch (tap) {
    case Tap::kInpEmbd:
    case Tap::kAttnNorm:
    case Tap::kFfnInp:
    case Tap::kFfnNorm:
    case Tap::kFfnMoeOut:
    case Tap::kLOut:
    case Tap::kResultNorm: return config.d_model;
    case Tap::kQcur:
    case Tap::kKqvOut: return config.d_q();
    case Tap::kKcur:
    case Tap::kVcur: return config.d_kv();
    case Tap::kFfnMoeTopk:
    case Tap::kFfnMoeWeightsNorm: return config.n_expert_used;
    case Tap::kResultOutput: return config.n_vocab;
  }
  CHECK(false);
}

Result<std::unique_ptr<TraceWriter>> TraceWriter::create(const std::string& path, const model::Config& config,
                                                         std::vector<Tap> taps, const Meta& meta) {
  auto writer = std::unique_ptr<TraceWriter>(new TraceWriter);
  writer->path_ = path;
  writer->taps_ = std::move(taps);
  const auto n_token = std::ssize(meta.tokens);

  json::object header;
  header["__metadata__"] =
      json::object{{"model", meta.model}, {"backend", meta.backend}, {"tokens", join(meta.tokens)}};
  int64_t end = 0;
  const auto add = [&](Tap tap, int layer) {
    const int64_t width = tap_width(tap, config);
    const int64_t begin = end;
    end += n_token * width * 4;
    const std::string name = tensor_name(tap, layer);
    header[name] = json::object{{"dtype", backend::tap_info(tap).is_ids ? "I32" : "F32"},
                                {"shape", {n_token, width}},
                                {"data_offsets", {begin, end}}};
    writer->offset_[name] = begin;
  };
  for (const Tap tap : writer->taps_) {
    if (!backend::tap_info(tap).per_layer) add(tap, -1);
    for (int layer = 0; backend::tap_info(tap).per_layer && layer < config.n_layer; ++layer) add(tap, layer);
  }
  std::string text = json::serialize(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  for (auto& [name, offset] : writer->offset_) offset += static_cast<int64_t>(8 + text.size());

  if (is_regular_or_absent(path)) writer->temporary_ = fmt::format("{}.{}.partial", path, getpid());
  const std::string& target = writer->temporary_.empty() ? path : writer->temporary_;
  writer->fd_ =
      ::open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (writer->temporary_.empty() ? 0 : O_EXCL), 0666);
  if (writer->fd_ < 0) return error(Code::kIo, "{}: {}, want a file that can be written", path, std::strerror(errno));
  const uint64_t length = text.size();
  std::string head(reinterpret_cast<const char*>(&length), sizeof(length));
  head += text;
  RETURN_IF_ERROR(writer->write_at(std::as_bytes(std::span(head)), 0));
  return writer;
}

TraceWriter::~TraceWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

bool TraceWriter::wants(Tap tap) const { return std::find(taps_.begin(), taps_.end(), tap) != taps_.end(); }

void TraceWriter::write(const backend::TapView& view) {
  if (!status_) return;
  const int64_t offset = offset_.at(tensor_name(view.tap, view.layer)) + position_ * view.width * 4;
  status_ = write_at(view.ids.empty() ? std::as_bytes(view.f32) : std::as_bytes(view.ids), offset);
}

Status TraceWriter::write_at(std::span<const std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return error(Code::kIo, "{}: {}, want {} bytes of the trace written", path_, std::strerror(errno), bytes.size());
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return {};
}

Status TraceWriter::finish() {
  RETURN_IF_ERROR(status_);
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) return error(Code::kIo, "{}: {}, want the trace closed", path_, std::strerror(errno));
  if (temporary_.empty()) return {};
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    return error(Code::kIo, "{}: {}, want the trace put in its place", path_, std::strerror(errno));
  temporary_.clear();
  return {};
}

namespace {

// One tensor's line of the header, checked against the bytes that there are.
struct RawEntry {
  std::string_view dtype;
  std::vector<int64_t> shape;
  int64_t begin, end;
};

Result<RawEntry> parse_entry(const std::string& path, std::string_view name, const json::value& value, int64_t n_data) {
  const auto bad = [&](std::string_view what) {
    return error(Code::kCorrupt, "{}: tensor '{}': {}", path, name, what);
  };
  const json::object* object = value.if_object();
  if (object == nullptr) return bad("not an object");
  const json::value* dtype = object->if_contains("dtype");
  const json::value* shape = object->if_contains("shape");
  const json::value* offsets = object->if_contains("data_offsets");
  if (dtype == nullptr || !dtype->is_string() || shape == nullptr || !shape->is_array() || offsets == nullptr ||
      !offsets->is_array() || offsets->get_array().size() != 2)
    return bad("want dtype, shape and data_offsets");
  RawEntry entry{std::string_view(dtype->get_string()), {}, 0, 0};
  if (entry.dtype != "F32" && entry.dtype != "I32") return bad("dtype is neither F32 nor I32");
  int64_t bytes = 4;
  for (const json::value& dim : shape->get_array()) {
    const auto product = dim.is_int64() && dim.get_int64() >= 0 ? checked_mul(bytes, dim.get_int64()) : std::nullopt;
    if (!product) return bad("shape is not a list of counts that can be multiplied");
    bytes = *product;
    entry.shape.push_back(dim.get_int64());
  }
  const json::value& begin = offsets->get_array()[0];
  const json::value& end = offsets->get_array()[1];
  if (!begin.is_int64() || !end.is_int64()) return bad("data_offsets are not integers");
  entry.begin = begin.get_int64();
  entry.end = end.get_int64();
  if (entry.begin < 0 || entry.end < entry.begin || entry.end > n_data || entry.end - entry.begin != bytes)
    return bad("data_offsets do not fit the shape and the file");
  return entry;
}

}  // namespace

Result<std::unique_ptr<TraceFile>> TraceFile::open(const std::string& path) {
  auto trace = std::make_unique<TraceFile>();
  ASSIGN_OR_RETURN(trace->file_, MappedFile::open(path));
  const auto bytes = trace->file_->bytes();
  uint64_t length = 0;
  if (bytes.size() < 8) return error(Code::kCorrupt, "{}: {} bytes, want a safetensors file", path, bytes.size());
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxHeaderBytes || length > bytes.size() - 8)
    return error(Code::kCorrupt, "{}: a header of {} bytes in a file of {}, want a safetensors file", path, length,
                 bytes.size());
  const auto data = bytes.subspan(8 + static_cast<size_t>(length));
  boost::system::error_code failure;
  const json::value header =
      json::parse({reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<size_t>(length)}, failure);
  if (failure || !header.is_object())
    return error(Code::kCorrupt, "{}: the header is not a JSON object: {}", path, failure.message());
  for (const auto& [key, value] : header.get_object()) {
    if (key == "__metadata__") {
      if (!value.is_object()) return error(Code::kCorrupt, "{}: __metadata__ is not an object", path);
      for (const auto& [name, text] : value.get_object())
        if (text.is_string()) trace->metadata_[std::string(name)] = std::string(text.get_string());
      continue;
    }
    ASSIGN_OR_RETURN(RawEntry entry, parse_entry(path, key, value, std::ssize(data)));
    trace->entries_[std::string(key)] = {
        entry.dtype == "I32", std::move(entry.shape),
        data.subspan(static_cast<size_t>(entry.begin), static_cast<size_t>(entry.end - entry.begin))};
  }
  return trace;
}

Result<std::vector<int32_t>> TraceFile::tokens() const {
  const auto found = metadata_.find("tokens");
  if (found == metadata_.end()) return error(Code::kCorrupt, "{}: no metadata 'tokens'", file_->path());
  std::vector<int32_t> tokens;
  const char* at = found->second.data();
  const char* end = at + found->second.size();
  while (at != end) {
    int32_t token = 0;
    const auto [next, failure] = std::from_chars(at, end, token);
    if (failure != std::errc() || (next != end && *next != ','))
      return error(Code::kCorrupt, "{}: metadata 'tokens' is not a list of ids", file_->path());
    tokens.push_back(token);
    at = next == end ? next : next + 1;
  }
  return tokens;
}

Result<TraceTensor> TraceFile::read(const std::string& name) const {
  const auto found = entries_.find(name);
  const bool has_rows = found != entries_.end() && !found->second.shape.empty();
  return read_rows(name, 0, has_rows ? found->second.shape[0] : 0);
}

Result<TraceTensor> TraceFile::read_rows(const std::string& name, int64_t first, int64_t n) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return error(Code::kNotFound, "{}: no tensor '{}'", file_->path(), name);
  const Entry& entry = found->second;
  const int64_t n_row = entry.shape.empty() ? 0 : entry.shape[0];
  if (first < 0 || n < 0 || first > n_row - n)
    return error(Code::kInvalidArgument, "{}: tensor '{}' has {} rows, want {} from row {}", file_->path(), name, n_row,
                 n, first);
  TraceTensor tensor{entry.is_ids, entry.shape, {}, {}};
  if (n == 0 || n_row == 0) return tensor;
  tensor.shape[0] = n;
  const size_t row_bytes = entry.data.size() / static_cast<size_t>(n_row);
  const auto data = entry.data.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(n) * row_bytes);
  if (entry.is_ids) {
    tensor.ids.resize(data.size() / sizeof(int32_t));
    std::memcpy(tensor.ids.data(), data.data(), data.size());
  } else {
    tensor.f32.resize(data.size() / sizeof(float));
    std::memcpy(tensor.f32.data(), data.data(), data.size());
  }
  RETURN_IF_ERROR(file_->check_intact());
  return tensor;
}

}  // namespace tercet::trace
