#include "wgpu/context.h"

#include <cstdlib>

#include "base/check.h"

namespace tercet::wgpu {
namespace {

bool has_feature(WGPUAdapter adapter, uint32_t feature) {
  return wgpuAdapterHasFeature(adapter, static_cast<WGPUFeatureName>(feature)) != 0;
}

// TERCET_WGPU_LIMITS=least: no more than WebGPU promises everywhere, so that tests walk the ways of small adapters.
bool wants_least() {
  const char* wanted = std::getenv("TERCET_WGPU_LIMITS");
  return wanted != nullptr && std::string_view(wanted) == "least";
}

std::string first_line(std::string message) {
  // wgpu-native tells a chain of causes, a line each; an error of ours has one.
  std::string out;
  for (const char c : message) {
    if (c != '\n') {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

void Context::Errors::keep(Code its_code, std::string its_message) {
  const std::lock_guard lock(mutex);
  if (!message.empty()) return;
  code = its_code;
  message = first_line(std::move(its_message));
}

Status Context::status() const {
  const std::lock_guard lock(errors_->mutex);
  if (errors_->message.empty()) return {};
  return error(errors_->code, "wgpu: {}: {}{}", name_, errors_->is_lost ? "the device was lost: " : "",
               errors_->message);
}

Result<std::unique_ptr<Context>> Context::open(int device) {
  std::unique_ptr<Context> context(new Context);
  ASSIGN_OR_RETURN(const WGPUInstance of, instance());
  ASSIGN_OR_RETURN(const std::vector<Adapter> adapters, find_adapters(of));
  if (device < 0 || device >= std::ssize(adapters))
    return error(Code::kDevice, "wgpu: device {}, want 0..{}", device, adapters.size() - 1);
  RETURN_IF_ERROR(context->request_device(of, adapters[static_cast<size_t>(device)].get()));
  return context;
}

Status Context::request_device(WGPUInstance instance, WGPUAdapter adapter) {
  WGPUAdapterInfo info{};
  if (wgpuAdapterGetInfo(adapter, &info) == WGPUStatus_Success) name_ = text(info.device);
  wgpuAdapterInfoFreeMembers(info);
  if (wgpuAdapterGetLimits(adapter, &limits_) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: {}: no answer about its limits, want a working driver", name_);
  std::vector<WGPUFeatureName> features;
  const auto ask = [&](uint32_t wanted) {
    const bool has = has_feature(adapter, wanted);
    if (has) features.push_back(static_cast<WGPUFeatureName>(wanted));
    return has;
  };
  has_timestamps_ = ask(WGPUFeatureName_TimestampQuery) && ask(WGPUNativeFeature_TimestampQueryInsidePasses);

  WGPUDeviceDescriptor descriptor{};
  descriptor.label = view("tercet");
  descriptor.requiredFeatureCount = features.size();
  descriptor.requiredFeatures = features.data();
  if (!wants_least()) descriptor.requiredLimits = &limits_;
  descriptor.deviceLostCallbackInfo = {
      nullptr, WGPUCallbackMode_AllowSpontaneous,
      [](WGPUDevice const*, WGPUDeviceLostReason reason, WGPUStringView message, void* errors, void*) {
        if (reason == WGPUDeviceLostReason_Destroyed) return;
        static_cast<Errors*>(errors)->keep(Code::kDevice, text(message));
        const std::lock_guard lock(static_cast<Errors*>(errors)->mutex);
        static_cast<Errors*>(errors)->is_lost = true;
      },
      errors_.get(), nullptr};
  descriptor.uncapturedErrorCallbackInfo = {
      nullptr,
      [](WGPUDevice const*, WGPUErrorType type, WGPUStringView message, void* errors, void*) {
        static_cast<Errors*>(errors)->keep(type == WGPUErrorType_OutOfMemory ? Code::kOutOfMemory : Code::kDevice,
                                           text(message));
      },
      errors_.get(), nullptr};

  struct Answer {
    WGPUDevice device = nullptr;
    std::string message;
  } answer;
  const WGPURequestDeviceCallbackInfo callback = {
      nullptr, WGPUCallbackMode_AllowSpontaneous,
      [](WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message, void* to, void*) {
        if (status == WGPURequestDeviceStatus_Success) static_cast<Answer*>(to)->device = device;
        static_cast<Answer*>(to)->message = text(message);
      },
      &answer, nullptr};
  wgpuAdapterRequestDevice(adapter, &descriptor, callback);  // wgpu-native answers before it returns
  wgpuInstanceProcessEvents(instance);
  device_.reset(answer.device);
  if (!device_)
    return error(Code::kDevice, "wgpu: {}: {}, want a device", name_, first_line(std::move(answer.message)));
  queue_.reset(wgpuDeviceGetQueue(device_.get()));
  if (wgpuDeviceGetLimits(device_.get(), &limits_) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: {}: no answer about the device's limits, want a working driver", name_);
  return {};
}

Context::~Context() {
  if (device_) wgpuDevicePoll(device_.get(), 1, nullptr);
  kernels_.clear();
  layouts_.clear();
  queue_.reset();
  device_.reset();
}

void Context::push_scopes() {
  wgpuDevicePushErrorScope(device_.get(), WGPUErrorFilter_Validation);
  wgpuDevicePushErrorScope(device_.get(), WGPUErrorFilter_OutOfMemory);
}

Status Context::pop_scopes(std::string_view what) {
  Errors seen;
  const WGPUPopErrorScopeCallbackInfo callback = {
      nullptr, WGPUCallbackMode_AllowSpontaneous,
      [](WGPUPopErrorScopeStatus, WGPUErrorType type, WGPUStringView message, void* errors, void*) {
        if (type == WGPUErrorType_NoError) return;
        static_cast<Errors*>(errors)->keep(type == WGPUErrorType_OutOfMemory ? Code::kOutOfMemory : Code::kDevice,
                                           text(message));
      },
      &seen, nullptr};
  for (int i = 0; i < 2; ++i) wgpuDevicePopErrorScope(device_.get(), callback);  // answered before it returns
  if (seen.message.empty()) return status();
  return error(seen.code, "wgpu: {}: {}: {}", name_, what, seen.message);
}

Result<Buffer> Context::make_buffer(uint64_t n_byte, WGPUBufferUsage usage, std::string_view what) {
  n_byte = (n_byte + 15) / 16 * 16;
  if (n_byte > limits_.maxBufferSize)
    return error(Code::kUnsupported, "wgpu: {}: {} bytes for {}, want at most {}", name_, n_byte, what,
                 limits_.maxBufferSize);
  WGPUBufferDescriptor descriptor{};
  descriptor.label = view(what);
  descriptor.usage = usage;
  descriptor.size = n_byte;
  push_scopes();
  Buffer buffer(wgpuDeviceCreateBuffer(device_.get(), &descriptor));
  RETURN_IF_ERROR(pop_scopes(fmt::format("{} bytes for {}", n_byte, what)));
  if (!buffer) return error(Code::kOutOfMemory, "wgpu: {}: no buffer of {} bytes for {}", name_, n_byte, what);
  return buffer;
}

WGPUBindGroupLayout Context::layout(std::string_view uses) {
  if (const auto found = layouts_.find(uses); found != layouts_.end()) return found->second.get();
  std::vector<WGPUBindGroupLayoutEntry> entries;
  for (const char use : uses) {
    WGPUBindGroupLayoutEntry entry{};
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.visibility = WGPUShaderStage_Compute;
    switch (static_cast<Use>(use)) {
      case Use::kRead: entry.buffer.type = WGPUBufferBindingType_ReadOnlyStorage; break;
      case Use::kWrite: entry.buffer.type = WGPUBufferBindingType_Storage; break;
      case Use::kUniform: entry.buffer.type = WGPUBufferBindingType_Uniform; break;
    }
    entries.push_back(entry);
  }
  WGPUBindGroupLayoutDescriptor descriptor{};
  descriptor.entryCount = entries.size();
  descriptor.entries = entries.data();
  const auto [made, is_new] =
      layouts_.emplace(std::string(uses), BindGroupLayout(wgpuDeviceCreateBindGroupLayout(device_.get(), &descriptor)));
  return made->second.get();
}

Result<const Kernel*> Context::kernel(std::string_view name, const std::string& text, std::string_view uses) {
  if (const auto found = kernels_.find(text); found != kernels_.end()) return &found->second;
  push_scopes();
  WGPUShaderSourceWGSL source{};
  source.chain.sType = WGPUSType_ShaderSourceWGSL;
  source.code = view(text);
  WGPUShaderModuleDescriptor module_descriptor{};
  module_descriptor.nextInChain = &source.chain;
  module_descriptor.label = view(name);
  // Every index follows from numbers that the host has checked, so that the shaders go without checks of their own.
  const Handle<WGPUShaderModule, wgpuShaderModuleRelease> shader(
      wgpuDeviceCreateShaderModuleTrusted(device_.get(), &module_descriptor, WGPUShaderRuntimeChecks_None));
  RETURN_IF_ERROR(pop_scopes(fmt::format("shader {}", name)));
  if (!shader) return error(Code::kDevice, "wgpu: {}: shader {} was not compiled", name_, name);

  push_scopes();
  const WGPUBindGroupLayout groups[] = {layout("r"), layout(uses)};
  WGPUPipelineLayoutDescriptor layout_descriptor{};
  layout_descriptor.bindGroupLayoutCount = 2;
  layout_descriptor.bindGroupLayouts = groups;
  const Handle<WGPUPipelineLayout, wgpuPipelineLayoutRelease> pipeline_layout(
      wgpuDeviceCreatePipelineLayout(device_.get(), &layout_descriptor));
  WGPUComputePipelineDescriptor descriptor{};
  descriptor.label = view(name);
  descriptor.layout = pipeline_layout.get();
  descriptor.compute.module = shader.get();
  descriptor.compute.entryPoint = view("main");
  Kernel kernel{Pipeline(wgpuDeviceCreateComputePipeline(device_.get(), &descriptor))};
  RETURN_IF_ERROR(pop_scopes(fmt::format("kernel {}", name)));
  return &kernels_.emplace(text, std::move(kernel)).first->second;
}

Result<BindGroup> Context::bind(std::string_view uses, std::span<const Range> ranges) {
  CHECK(uses.size() == ranges.size());
  std::vector<WGPUBindGroupEntry> entries;
  for (const Range& range : ranges) {
    WGPUBindGroupEntry entry{};
    entry.binding = static_cast<uint32_t>(entries.size());
    entry.buffer = range.buffer;
    entry.offset = range.offset;
    entry.size = range.n_byte == 0 ? WGPU_WHOLE_SIZE : range.n_byte;
    entries.push_back(entry);
  }
  WGPUBindGroupDescriptor descriptor{};
  descriptor.layout = layout(uses);
  descriptor.entryCount = entries.size();
  descriptor.entries = entries.data();
  push_scopes();
  BindGroup group(wgpuDeviceCreateBindGroup(device_.get(), &descriptor));
  RETURN_IF_ERROR(pop_scopes("a bind group"));
  return group;
}

WGPUSubmissionIndex Context::submit(WGPUCommandEncoder encoder) {
  const Handle<WGPUCommandBuffer, wgpuCommandBufferRelease> commands(wgpuCommandEncoderFinish(encoder, nullptr));
  const WGPUCommandBuffer list[] = {commands.get()};
  return wgpuQueueSubmitForIndex(queue_.get(), 1, list);
}

Status Context::wait(WGPUSubmissionIndex submission) {
  RETURN_IF_ERROR(status());
  wgpuDevicePoll(device_.get(), 1, &submission);
  return status();
}

void Context::start_reading(Readback& to, uint64_t n_byte) {
  to.n_byte = (n_byte + 7) / 8 * 8;
  to.answered = false;
  to.ok = false;
  const WGPUBufferMapCallbackInfo callback = {nullptr, WGPUCallbackMode_AllowSpontaneous,
                                              [](WGPUMapAsyncStatus status, WGPUStringView message, void* user, void*) {
                                                auto& said = *static_cast<Readback*>(user);
                                                said.answered = true;
                                                said.ok = status == WGPUMapAsyncStatus_Success;
                                                said.message = text(message);
                                              },
                                              &to, nullptr};
  wgpuBufferMapAsync(to.buffer.get(), WGPUMapMode_Read, 0, to.n_byte, callback);
}

Result<std::span<const std::byte>> Context::reading(Readback& from) {
  // Its submission is done, so that the first look finds it mapped; a lost device answers too.
  for (int i = 0; i < 100 && !from.answered; ++i) wgpuDevicePoll(device_.get(), 1, nullptr);
  RETURN_IF_ERROR(status());
  if (!from.answered || !from.ok)
    return error(Code::kDevice, "wgpu: {}: reading results: {}, want them mapped", name_,
                 from.answered ? from.message : "no answer");
  const void* bytes = wgpuBufferGetConstMappedRange(from.buffer.get(), 0, from.n_byte);
  if (bytes == nullptr) return error(Code::kDevice, "wgpu: {}: reading results: nothing is mapped", name_);
  return std::span(static_cast<const std::byte*>(bytes), from.n_byte);
}

void Context::done_reading(Readback& from) { wgpuBufferUnmap(from.buffer.get()); }

}  // namespace tercet::wgpu
