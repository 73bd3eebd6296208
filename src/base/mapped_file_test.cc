#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace tercet {
namespace {

namespace fs = std::filesystem;

class MappedFileTest : public testing::Test {
 protected:
  MappedFileTest() {
    std::string pattern = (fs::temp_directory_path() / "tercet-mapped-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  ~MappedFileTest() override { fs::remove_all(dir_); }

  std::string make_file(const std::string& name, size_t n_byte, char fill = 'x') {
    const fs::path path = dir_ / name;
    std::ofstream(path, std::ios::binary) << std::string(n_byte, fill);
    return path.string();
  }

  static Error error_of(const std::string& path) {
    const auto file = MappedFile::open(path);
    EXPECT_FALSE(file.has_value()) << path;
    return file.has_value() ? Error{} : file.error();
  }

  fs::path dir_;
};

size_t count(std::span<const std::byte> bytes, char wanted) {
  return static_cast<size_t>(std::count(bytes.begin(), bytes.end(), static_cast<std::byte>(wanted)));
}

TEST_F(MappedFileTest, ShowsTheWholeFile) {
  for (const size_t n_byte : {size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size_t{100'000}}) {
    const std::string path = make_file("whole", n_byte);
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file.has_value()) << file.error().message;
    EXPECT_EQ((*file)->path(), path);
    EXPECT_EQ((*file)->bytes().size(), n_byte);
    EXPECT_EQ(count((*file)->bytes(), 'x'), n_byte);
    EXPECT_TRUE((*file)->check_intact().has_value());
  }
}

TEST_F(MappedFileTest, SaysWhatIsNoFile) {
  const std::string missing = (dir_ / "missing").string();
  EXPECT_EQ(error_of(missing).code, Code::kNotFound);
  EXPECT_EQ(error_of(missing).message, missing + ": no such file, want one that exists");
  EXPECT_EQ(error_of("").code, Code::kNotFound);

  const std::string below_file = make_file("plain", 1) + "/below";
  EXPECT_EQ(error_of(below_file).code, Code::kNotFound);

  EXPECT_EQ(error_of(dir_.string()).code, Code::kInvalidArgument);
  EXPECT_EQ(error_of(dir_.string()).message, dir_.string() + ": is a directory, want a file");

  EXPECT_EQ(error_of("/dev/zero").code, Code::kInvalidArgument);
  EXPECT_EQ(error_of("/dev/zero").message, "/dev/zero: is a device, want a regular file");

  const std::string fifo = (dir_ / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(error_of(fifo).code, Code::kInvalidArgument);
  EXPECT_EQ(error_of(fifo).message, fifo + ": is a FIFO, want a regular file");

  const std::string empty = make_file("empty", 0);
  EXPECT_EQ(error_of(empty).code, Code::kCorrupt);
  EXPECT_EQ(error_of(empty).message, empty + ": is empty, want a file with content");

  const std::string loop = (dir_ / "loop").string();
  ASSERT_EQ(::symlink(loop.c_str(), loop.c_str()), 0);
  EXPECT_EQ(error_of(loop).code, Code::kIo);
}

TEST_F(MappedFileTest, SaysWhatIsASocket) {
  const std::string path = (dir_ / "socket").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(error_of(path).message, path + ": is a socket, want a regular file");
  ::close(fd);
}

TEST_F(MappedFileTest, AFileThatShrinksIsAnErrorAndNotASignal) {
  const std::string path = make_file("shrinks", 1 << 20);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(::truncate(path.c_str(), 8192), 0);
  EXPECT_EQ(count((*file)->bytes(), 'x'), 8192u);  // zeros behind, and no SIGBUS
  const auto status = (*file)->check_intact();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kIo);
  EXPECT_EQ(status.error().message, path + ": shrank while it was mapped: 8192 bytes, want 1048576");
}

// Vector loads may run over the end of the last row; that page can vanish like the others.
TEST_F(MappedFileTest, TheLastPageIsGuardedToItsEnd) {
  const std::string path = make_file("odd", 4096 + 10);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(::truncate(path.c_str(), 0), 0);
  const auto* const beyond = reinterpret_cast<const volatile char*>((*file)->bytes().data()) + 4096 + 100;
  EXPECT_EQ(*beyond, 0);
  EXPECT_FALSE((*file)->check_intact().has_value());
}

TEST_F(MappedFileTest, AFileThatShrankAndGrewAgainIsStillAnError) {
  const std::string path = make_file("regrows", 1 << 16);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(::truncate(path.c_str(), 0), 0);
  EXPECT_EQ(count((*file)->bytes(), 'x'), 0u);
  make_file("regrows", 1 << 16);
  const auto status = (*file)->check_intact();
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("a page was lost while it was mapped"), std::string::npos);
}

TEST_F(MappedFileTest, AFileThatIsWrittenToIsAnErrorEvenIfNoPageWasLost) {
  const std::string path = make_file("written", 10'000);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  make_file("written", 10'000, 'y');
  const timespec times[2] = {{0, UTIME_OMIT}, {1'000'000'000, 0}};  // whatever the clock's granularity
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const auto status = (*file)->check_intact();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, path + ": was written to while it was mapped");
}

TEST_F(MappedFileTest, AFileThatIsDeletedOrReplacedStaysReadable) {
  const std::string path = make_file("replaced", 10'000);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  fs::rename(make_file("other", 10, 'y'), path);
  EXPECT_EQ(count((*file)->bytes(), 'x'), 10'000u);
  EXPECT_TRUE((*file)->check_intact().has_value());
}

TEST_F(MappedFileTest, OnlyTheMapThatLostPagesIsDamaged) {
  const std::string shrinking = make_file("shrinking", 1 << 16);
  const auto first = MappedFile::open(make_file("first", 1 << 16));
  const auto second = MappedFile::open(shrinking);
  const auto third = MappedFile::open(make_file("third", 1 << 16));
  ASSERT_TRUE(first.has_value() && second.has_value() && third.has_value());
  ASSERT_EQ(::truncate(shrinking.c_str(), 1), 0);
  for (const auto* file : {&first, &second, &third}) count((**file)->bytes(), 'x');
  EXPECT_TRUE((*first)->check_intact().has_value());
  EXPECT_FALSE((*second)->check_intact().has_value());
  EXPECT_TRUE((*third)->check_intact().has_value());
}

TEST_F(MappedFileTest, ThreadsMayReadWhileTheFileShrinksAndOthersComeAndGo) {
  constexpr size_t kBytes = size_t{256} * 4096;
  const std::string path = make_file("shared", kBytes);
  const std::string other = make_file("other", 100);
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  std::atomic<int> n_done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (count((*file)->bytes(), 'x') == kBytes) std::this_thread::yield();
      ++n_done;
    });
  threads.emplace_back([&] {
    while (n_done.load() < 3) ASSERT_TRUE(MappedFile::open(other).has_value());
  });
  for (size_t size = kBytes; size > 0; size /= 2) ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(size - 1)), 0);
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE((*file)->check_intact().has_value());
}

TEST_F(MappedFileTest, TheTableHasALimitAndSlotsAreGivenBack) {
  const std::string path = make_file("many", 10);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<MappedFile>> files;
    for (int i = 0; i < MappedFile::kMaxMapped; ++i) {
      auto file = MappedFile::open(path);
      ASSERT_TRUE(file.has_value()) << i;
      files.push_back(*std::move(file));
    }
    EXPECT_EQ(error_of(path).code, Code::kLimit);
  }
}

// Reads a page that vanished from under a map that MappedFile knows nothing of.
void fault_elsewhere(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  const auto* data = static_cast<const volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
  if (::truncate(path.c_str(), 0) == 0) std::fprintf(stderr, "read %d\n", data[0]);
}

TEST_F(MappedFileTest, AFaultElsewhereStillEndsTheProcess) {
  const std::string path = make_file("foreign", 4096);
  EXPECT_DEATH(
      {
        if (MappedFile::open(path).has_value()) fault_elsewhere(path);
      },
      "");
}

TEST_F(MappedFileTest, AFaultElsewhereReachesTheEarlierHandler) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process, in which open() has installed nothing yet
  const std::string path = make_file("foreign", 4096);
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, [](int) { ::_exit(42); });
        if (MappedFile::open(path).has_value()) fault_elsewhere(path);
      },
      testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace tercet
