#include "base/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

#include "base/checked.h"
#include "base/text.h"

namespace tercet {
namespace {

// A mapped range. The handler reads the table without a lock while other threads change slots that are not its own:
// `end` is 0 while a slot is free or changing, and whoever read the same nonzero `end` before and after `begin` has a
// pair that belongs together.
struct Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::array<Slot, MappedFile::kMaxMapped> g_slots;
std::mutex g_slots_mutex;  // among those who take and give back slots
struct sigaction g_previous;
uintptr_t g_page_bytes;

// Puts zero pages from `address` to the end of the slot's range that holds it. To the end, because what lies behind a
// lost page is lost as well, and one map a page could reach the kernel's limit on maps. False for a foreign address.
// Runs in a signal handler: atomics and one system call; raw, so that no sanitizer's wrapper of mmap is entered.
bool replace_lost_pages(uintptr_t address) {
  for (auto& slot : g_slots) {
    const uintptr_t end = slot.end.load();
    const uintptr_t begin = slot.begin.load();
    if (end == 0 || slot.end.load() != end || address < begin || address >= end) continue;
    slot.damaged.store(true);
    const uintptr_t page = address & ~(g_page_bytes - 1);
    const long mapped =
        ::syscall(SYS_mmap, page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return mapped != -1;
  }
  return false;
}

void on_sigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const bool is_fault = info->si_code > 0;  // not sent by kill(2)
  if (is_fault && replace_lost_pages(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = saved_errno;
    return;
  }
  // Not ours: do what would have been done without us.
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) return g_previous.sa_sigaction(signal, info, context);
  if (g_previous.sa_handler == SIG_IGN && !is_fault) return;
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) return g_previous.sa_handler(signal);
  struct sigaction fallback{};
  fallback.sa_handler = SIG_DFL;
  ::sigaction(SIGBUS, &fallback, nullptr);
  ::raise(signal);  // delivered when this handler returns
}

Status install_handler() {
  static const int failed_with = [] {
    g_page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    // Asked for first: our handler may run before the second call has written it.
    if (::sigaction(SIGBUS, nullptr, &g_previous) != 0) return errno;
    struct sigaction action{};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    return ::sigaction(SIGBUS, &action, nullptr) == 0 ? 0 : errno;
  }();
  if (failed_with == 0) return {};
  return error(Code::kIo, "SIGBUS handler: {}", std::generic_category().message(failed_with));
}

// -1 if the table is full.
int take_slot(const void* data, size_t n_byte) {
  const std::scoped_lock lock(g_slots_mutex);
  for (size_t i = 0; i < g_slots.size(); ++i) {
    Slot& slot = g_slots[i];
    if (slot.end.load() != 0) continue;
    slot.damaged.store(false);
    const auto begin = reinterpret_cast<uintptr_t>(data);
    slot.begin.store(begin);
    slot.end.store(*checked_align_up(begin + n_byte, g_page_bytes));  // the map's last page is ours to its end
    return static_cast<int>(i);
  }
  return -1;
}

void give_slot_back(int slot) {
  const std::scoped_lock lock(g_slots_mutex);
  g_slots[static_cast<size_t>(slot)].end.store(0);
}

// Paths are shown whole.
std::string shown(const std::string& path) { return printable(path, 4096); }

tl::unexpected<Error> system_error(const std::string& path, std::string_view doing, int number) {
  if (number == ENOENT || number == ENOTDIR)
    return error(Code::kNotFound, "{}: no such file, want one that exists", shown(path));
  return error(Code::kIo, "{}: {}: {}", shown(path), doing, std::generic_category().message(number));
}

Status check_kind(const std::string& path, const struct stat& info) {
  if (S_ISDIR(info.st_mode)) return error(Code::kInvalidArgument, "{}: is a directory, want a file", shown(path));
  const std::string_view kind = S_ISFIFO(info.st_mode)   ? "a FIFO"
                                : S_ISSOCK(info.st_mode) ? "a socket"
                                : S_ISREG(info.st_mode)  ? ""
                                                         : "a device";
  if (!kind.empty()) return error(Code::kInvalidArgument, "{}: is {}, want a regular file", shown(path), kind);
  if (info.st_size == 0) return error(Code::kCorrupt, "{}: is empty, want a file with content", shown(path));
  return {};
}

int64_t modified_ns(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  RETURN_IF_ERROR(install_handler());
  // Looked at before it is opened, for opening a device can do things, and O_NONBLOCK, for opening a FIFO can wait.
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return system_error(path, "cannot be opened", errno);
  RETURN_IF_ERROR(check_kind(path, info));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return system_error(path, "cannot be opened", errno);
  std::unique_ptr<MappedFile> file(new MappedFile(path, fd));
  RETURN_IF_ERROR(file->map());
  return file;
}

Status MappedFile::map() {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) return system_error(path_, "cannot be looked at", errno);
  RETURN_IF_ERROR(check_kind(path_, info));
  const auto size = static_cast<size_t>(info.st_size);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) return system_error(path_, "cannot be mapped", errno);
  data_ = static_cast<const std::byte*>(data);
  n_byte_ = size;
  modified_ns_ = modified_ns(info);
  slot_ = take_slot(data, size);
  if (slot_ < 0) return error(Code::kLimit, "{}: {} files are mapped already, want fewer", shown(path_), kMaxMapped);
  return {};
}

MappedFile::~MappedFile() {
  // The slot goes first: the range may belong to somebody else as soon as it is unmapped.
  if (slot_ >= 0) give_slot_back(slot_);
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), n_byte_);
  ::close(fd_);
}

Status MappedFile::check_intact() const {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) return system_error(path_, "cannot be looked at", errno);
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < n_byte_)
    return error(Code::kIo, "{}: shrank while it was mapped: {} bytes, want {}", shown(path_), size, n_byte_);
  if (g_slots[static_cast<size_t>(slot_)].damaged.load())
    return error(Code::kIo, "{}: a page was lost while it was mapped: the file shrank, or the disk failed",
                 shown(path_));
  if (size != n_byte_ || modified_ns(info) != modified_ns_)
    return error(Code::kIo, "{}: was written to while it was mapped", shown(path_));
  return {};
}

}  // namespace tercet
