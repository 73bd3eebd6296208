#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli_test.h"
#include "gguf/writer.h"

namespace tercet::tests {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

int memory_file(std::string_view content = {}) {
  const int fd = ::memfd_create("cli_test", MFD_CLOEXEC);
  if (fd < 0) give_up("memfd_create");
  if (::write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size())) give_up("write");
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string take_all(int fd) {
  std::string text;
  char chunk[4096];
  for (ssize_t n = 0; (n = ::read(fd, chunk, sizeof(chunk))) > 0;) text.append(chunk, static_cast<size_t>(n));
  ::close(fd);
  return text;
}

std::string take_memory_file(int fd) {
  if (fd < 0 || ::lseek(fd, 0, SEEK_SET) != 0) return "(no memory file)";
  return take_all(fd);
}

std::vector<std::string> environment(const Command& command) {
  std::vector<std::string> out = command.env;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("TERCET_")) out.emplace_back(*entry);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// While it lives, what this process starts may let no file grow beyond this; 0 changes nothing.
class FileLimit {
 public:
  explicit FileLimit(uint64_t n_byte) {
    if (::getrlimit(RLIMIT_FSIZE, &before_) != 0) give_up("getrlimit");
    rlimit now = before_;
    if (n_byte > 0) now.rlim_cur = n_byte;
    if (::setrlimit(RLIMIT_FSIZE, &now) != 0) give_up("setrlimit");
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_ = {};
};

pid_t spawn(const std::string& program, const Command& command, int in, int out, int err) {
  const FileLimit limit(command.most_file_bytes);
  std::vector<std::string> words = {program};
  words.insert(words.end(), command.args.begin(), command.args.end());
  std::vector<std::string> variables = environment(command);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  pid_t pid = 0;
  if (::posix_spawn(&pid, program.c_str(), &actions, nullptr, pointers(words).data(), pointers(variables).data()) != 0)
    give_up(program);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) give_up("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// [read end, write end], of one page.
std::pair<int, int> small_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe2");
  ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
  return {ends[0], ends[1]};
}

void fill_pipe(int write_end) {
  const int flags = ::fcntl(write_end, F_GETFL);
  ::fcntl(write_end, F_SETFL, flags | O_NONBLOCK);
  while (::write(write_end, "x", 1) == 1) continue;
  ::fcntl(write_end, F_SETFL, flags);
}

// Whether a signal that was sent to the process is still to be delivered.
bool is_pending(pid_t pid, int signal) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("ShdPnd:")) return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0;
  give_up("ShdPnd of /proc");
}

void wait_a_moment() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

template <typename T>
void add_numbers(gguf::Writer& writer, std::string_view key, const gguf::Array& array) {
  std::vector<T> values;
  for (size_t i = 0; i < array.size(); ++i) values.push_back(array.at(i).as_integer<T>().value());
  writer.add_array(key, values);
}

// The kinds of values that the demo has.
void copy_value(gguf::Writer& writer, std::string_view key, const gguf::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value.data)) return writer.add(key, *text);
  if (const auto* flag = std::get_if<bool>(&value.data)) return writer.add(key, *flag);
  if (const auto* number = std::get_if<double>(&value.data)) return writer.add(key, static_cast<float>(*number));
  if (const auto* array = std::get_if<gguf::Array>(&value.data)) {
    if (array->element_type() != gguf::ValueType::kString) return add_numbers<int32_t>(writer, key, *array);
    std::vector<std::string_view> strings;
    for (size_t i = 0; i < array->size(); ++i) strings.push_back(array->string_at(i));
    return writer.add_array(key, strings);
  }
  writer.add(key, value.as_integer<uint32_t>().value());
}

bool set_value(gguf::Writer& writer, std::string_view key, const Edit& edit) {
  if (edit.set_u32 && edit.set_u32->first == key) return writer.add(key, edit.set_u32->second), true;
  if (edit.set_f32 && edit.set_f32->first == key) return writer.add(key, edit.set_f32->second), true;
  if (edit.set_string && edit.set_string->first == key)
    return writer.add(key, std::string_view(edit.set_string->second)), true;
  return edit.drop_key == key;
}

Outcome run_program(const std::string& program, const Command& command) {
  const int in = memory_file(command.input);
  const int out = command.stdout_path.empty() ? memory_file() : ::open(command.stdout_path.c_str(), O_WRONLY);
  const int err = memory_file();
  Outcome outcome;
  outcome.exit_code = wait_for(spawn(program, command, in, out, err));
  ::close(in);
  if (command.stdout_path.empty()) {
    outcome.out = take_memory_file(out);
  } else {
    ::close(out);
  }
  outcome.err = take_memory_file(err);
  return outcome;
}

}  // namespace

Outcome run_tercet(const Command& command) { return run_program(TERCET_PROGRAM, command); }

Outcome run_python(const std::string& script, const std::vector<std::string>& args) {
  Command command{{TERCET_SOURCE_DIR "/tests/" + script}, "", {"PYTHONDONTWRITEBYTECODE=1"}};
  command.args.insert(command.args.end(), args.begin(), args.end());
  return run_program(TERCET_PYTHON, command);
}

Outcome interrupt_tercet(const Command& command, int signal) {
  const int in = memory_file(command.input);
  const int err = memory_file();
  const auto [read_end, write_end] = small_pipe();
  const pid_t pid = spawn(TERCET_PROGRAM, command, in, write_end, err);
  ::close(write_end);
  Outcome outcome;
  char first = 0;
  if (::read(read_end, &first, 1) == 1) outcome.out += first;
  ::kill(pid, signal);
  outcome.out += take_all(read_end);
  outcome.exit_code = wait_for(pid);
  outcome.err = take_memory_file(err);
  ::close(in);
  return outcome;
}

int interrupt_tercet_twice(const Command& command) {
  const int in = memory_file(command.input);
  const auto [out_read, out_write] = small_pipe();
  const auto [err_read, err_write] = small_pipe();
  fill_pipe(err_write);
  const pid_t pid = spawn(TERCET_PROGRAM, command, in, out_write, err_write);
  for (const int fd : {in, out_write, err_write}) ::close(fd);
  char first = 0;
  EXPECT_EQ(::read(out_read, &first, 1), 1);
  ::kill(pid, SIGINT);
  while (is_pending(pid, SIGINT)) wait_a_moment();  // two of a kind that wait are one
  ::kill(pid, SIGINT);
  // One that outlived both fails to write now, instead of hanging.
  ::close(out_read);
  ::close(err_read);
  return wait_for(pid);
}

Outcome interrupt_at_a_file(const Command& command, const std::string& folder) {
  const int in = memory_file(command.input);
  const int out = memory_file();
  const int err = memory_file();
  const pid_t pid = spawn(TERCET_PROGRAM, command, in, out, err);
  const auto has_ended = [pid] {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
  };
  while (std::filesystem::is_empty(folder) && !has_ended()) wait_a_moment();
  ::kill(pid, SIGINT);
  Outcome outcome;
  outcome.exit_code = wait_for(pid);
  outcome.out = take_memory_file(out);
  outcome.err = take_memory_file(err);
  ::close(in);
  return outcome;
}

bool can_make_terminal() {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return false;
  const bool has_name =
      ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0 && ::access(::ptsname(terminal), R_OK) == 0;
  ::close(terminal);
  return has_name;
}

Outcome run_on_terminal(const Command& command) {
  const int in = memory_file(command.input);
  const int out = memory_file();
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) give_up("posix_openpt");
  const int err = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  const pid_t pid = spawn(TERCET_PROGRAM, command, in, out, err);
  ::close(err);
  ::close(in);
  Outcome outcome;
  outcome.err = take_all(terminal);  // until the last process that has it open is gone
  outcome.exit_code = wait_for(pid);
  outcome.out = take_memory_file(out);
  return outcome;
}

Outcome run_with_closed_stdout(const Command& command) {
  const int in = memory_file(command.input);
  const int err = memory_file();
  const auto [read_end, write_end] = small_pipe();
  ::close(read_end);
  Outcome outcome;
  outcome.exit_code = wait_for(spawn(TERCET_PROGRAM, command, in, write_end, err));
  ::close(write_end);
  ::close(in);
  outcome.err = take_memory_file(err);
  return outcome;
}

boost::json::object json_of(const Outcome& outcome) {
  boost::system::error_code failed;
  boost::json::value value = boost::json::parse(outcome.out, failed);
  EXPECT_FALSE(failed) << outcome.out << outcome.err;
  EXPECT_TRUE(value.is_object()) << outcome.out;
  return value.is_object() ? value.as_object() : boost::json::object();
}

std::string demo_path() { return TERCET_SOURCE_DIR "/models/demo-moe-coder-34m-q4_k_m.gguf"; }

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tercet-cli-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) give_up("mkdtemp");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) give_up(path);
}

void write_edited_demo(const std::string& path, const Edit& edit) {
  constexpr uint32_t kF64 = 28;
  const auto demo = gguf::File::open(demo_path());
  ASSERT_TRUE(demo) << demo.error().message;
  gguf::Writer writer;
  std::vector<std::byte> zeros;
  for (const auto& [key, value] : (*demo)->metadata())
    if (!set_value(writer, key, edit)) copy_value(writer, key, value);
  for (const gguf::TensorInfo& info : (*demo)->tensors()) {
    if (info.name == edit.drop_tensor) continue;
    std::vector<uint64_t> dims(info.dims.begin(), info.dims.end());
    if (info.name == edit.swap_dims_of) std::swap(dims.at(0), dims.at(1));
    if (info.name == edit.make_f64) {
      zeros.resize(info.n_element * sizeof(double));
      writer.add_tensor(info.name, kF64, dims, zeros);
    } else {
      writer.add_tensor(info.name, info.type, dims, info.data);
    }
  }
  const Status written = writer.write_file(path);
  ASSERT_TRUE(written) << written.error().message;
}

}  // namespace tercet::tests
