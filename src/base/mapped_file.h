// Owns a file mapped for reading, and what happens when somebody changes the file under the map. A page that vanished
// would kill the process with SIGBUS, in whatever thread touches it. Here the first open() installs a handler that puts
// zeros in place of the lost pages and marks the map as damaged; whoever reads from a map asks check_intact() before it
// believes what it made of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace tercet {

class MappedFile {
 public:
  // How many files may be mapped at once: the signal handler looks through a table of fixed size.
  static constexpr int kMaxMapped = 64;

  // Maps a regular file that is not empty. Errors: kNotFound; kInvalidArgument for a directory, a FIFO, a socket or a
  // device; kCorrupt for an empty file; kIo if it cannot be opened, read or mapped; kLimit beyond kMaxMapped files.
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }

  // The whole file, page-aligned, valid as long as this object. Readable from every thread, whatever happens to the
  // file.
  std::span<const std::byte> bytes() const { return {data_, n_byte_}; }

  // An error (kIo) if a page was lost, or if the file's size or time of modification is not what it was at open():
  // bytes read since then may be wrong. One fstat(2): cheap enough to be asked after every step. Thread-safe.
  Status check_intact() const;

 private:
  MappedFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status map();

  std::string path_;
  int fd_;
  const std::byte* data_ = nullptr;
  size_t n_byte_ = 0;
  int64_t modified_ns_ = 0;
  int slot_ = -1;  // in the handler's table; -1 before map() succeeded
};

}  // namespace tercet
