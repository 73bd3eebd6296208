// Owns the contact with one device: queue, buffers, pipelines (made when they are first wanted, and kept), bind groups,
// and the way from WebGPU's callbacks to a Status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "wgpu/adapters.h"

namespace tercet::wgpu {

// What a shader does with a binding.
enum class Use : char { kRead = 'r', kWrite = 'w', kUniform = 'u' };

// A range of a buffer as a shader sees it. Of no size: the whole buffer.
struct Range {
  WGPUBuffer buffer = nullptr;
  uint64_t offset = 0;
  uint64_t n_byte = 0;
};

// A shader's text with its place among bindings. Group 0 is the step's input, the same for all; group 1 is its own.
struct Kernel {
  std::string name;  // of its file
  Pipeline pipeline;
};

// A buffer of the host's that a submission copies into.
struct Readback {
  // Written by a callback, which may come when all else is gone.
  struct Answer {
    bool is_there = false;
    bool ok = false;
    std::string message;
  };
  Buffer buffer;
  uint64_t n_byte = 0;
  std::shared_ptr<Answer> answer;
};

class Context {
 public:
  // Errors: kDevice, naming the adapter and the cause.
  static Result<std::unique_ptr<Context>> open(int device);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const std::string& name() const { return name_; }
  const WGPULimits& limits() const { return limits_; }
  WGPUDevice device() const { return device_.get(); }
  bool times_passes() const { return times_passes_; }      // timestamps at a pass's ends
  bool has_timestamps() const { return has_timestamps_; }  // within a pass
  bool has_subgroups() const { return has_subgroups_; }
  const AdapterInfo& adapter() const { return adapter_; }
  WGPUQueue queue() const { return queue_.get(); }

  // Zeros. `what` is for the error: "the KV cache". Of a device that has no room the error says how much was taken. Errors: kOutOfMemory, kUnsupported over a limit, kDevice.
  Result<Buffer> make_buffer(uint64_t n_byte, WGPUBufferUsage usage, std::string_view what);
  void write(WGPUBuffer buffer, uint64_t offset, const void* from, size_t n_byte) {
    wgpuQueueWriteBuffer(queue_.get(), buffer, offset, from, n_byte);
  }

  // `uses` says what the shader does with the bindings of group 1, in order: "rwu". Errors: kDevice with the compiler's
  // message.
  Result<const Kernel*> kernel(std::string_view name, const std::string& text, std::string_view uses);
  // All that were made, by their texts.
  const std::map<std::string, Kernel>& kernels() const { return kernels_; }
  Result<BindGroup> bind(std::string_view uses, std::span<const Range> ranges);

  // Submits what was recorded; the encoder is used up. What goes wrong is status()'s.
  WGPUSubmissionIndex submit(WGPUCommandEncoder encoder);
  // Hands the queue what was written, and blocks until the device has done all that was submitted. Errors: as status().
  Status flush();
  // Blocks until a submission is done and its callbacks were called. Errors: as status().
  Status wait(WGPUSubmissionIndex submission);
  // Asks for what `to` holds once the last submission is done.
  void start_reading(Readback& to, uint64_t n_byte);
  // After wait() of that submission: the bytes, until done_reading().
  Result<std::span<const std::byte>> reading(Readback& from);
  void done_reading(Readback& from);

  // The first error that came by a callback since the device was opened, and the loss of the device: it stays. Errors: kDevice,
  // kOutOfMemory.
  Status status() const;

 private:
  // What callbacks write to, on any thread. Outlives the device, which may call back while it is released.
  struct Errors {
    std::mutex mutex;
    std::string message;  // empty: none
    Code code = Code::kDevice;
    bool is_lost = false;
    bool is_closing = false;  // the device goes because we let it go
    void keep(Code code, std::string_view message);
    void lose(std::string_view message);
  };

  Context() = default;
  bool is_lost() const;
  // Of calls that panic where the device is lost (guard.h): makes none if that is known, and knows it if one does. `doing` is
  // for the error: "submitting a step". Whether the call was made and returned.
  template <typename Call>
  bool guarded(std::string_view doing, Call&& call);
  Status request_device(WGPUInstance instance, WGPUAdapter adapter);
  WGPUBindGroupLayout layout(std::string_view uses);
  // What went wrong between the two, or nothing.
  void push_scopes();
  Status pop_scopes(std::string_view what);

  std::string name_;
  WGPULimits limits_{};
  bool times_passes_ = false;
  bool has_timestamps_ = false;
  bool has_subgroups_ = false;
  AdapterInfo adapter_;
  std::unique_ptr<Errors> errors_ = std::make_unique<Errors>();
  Device device_;
  Queue queue_;
  std::map<std::string, BindGroupLayout, std::less<>> layouts_;
  std::map<std::string, Kernel> kernels_;
};

}  // namespace tercet::wgpu
