#include "wgpu/context.h"

#include <cstdlib>

#include "base/check.h"
#include "wgpu/guard.h"

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

// wgpu-native tells a chain of causes, a line each; an error of ours has one.
std::string first_line(std::string_view message) {
  constexpr std::string_view kAlways = "Validation Error Caused by: ";
  std::string out;
  for (const char c : message) {
    const bool is_space = c == '\n' || c == ' ';
    if (!is_space) out += c;
    if (is_space && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out.starts_with(kAlways) ? out.substr(kAlways.size()) : out;
}

// wgpu-native 29 calls it a fault of validation where a driver has no memory left; its words are all that tells.
Code code_of(WGPUErrorType type, std::string_view message) {
  const bool is_memory =
      type == WGPUErrorType_OutOfMemory || message.find("Not enough memory left") != std::string_view::npos;
  return is_memory ? Code::kOutOfMemory : Code::kDevice;
}

}  // namespace

void Context::Errors::keep(Code its_code, std::string_view its_message) {
  const std::lock_guard lock(mutex);
  if (!message.empty()) return;
  code = its_code;
  message = first_line(its_message);
}

void Context::Errors::lose(std::string_view its_message) {
  const std::lock_guard lock(mutex);
  if (is_closing || is_lost) return;
  is_lost = true;
  // Losing it may be what came of an error before, which says more.
  if (!message.empty()) return;
  code = Code::kDevice;
  message = first_line(its_message);
}

bool Context::is_lost() const {
  const std::lock_guard lock(errors_->mutex);
  return errors_->is_lost;
}

template <typename Call>
bool Context::guarded(std::string_view doing, Call&& call) {
  if (is_lost()) return false;
  if (returns(call)) return true;
  errors_->lose(fmt::format("wgpu-native gave up {}", doing));
  return false;
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
  ASSIGN_OR_RETURN(adapter_, info_of(adapter));
  name_ = adapter_.device;
  if (wgpuAdapterGetLimits(adapter, &limits_) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: {}: no answer about its limits, want a working driver", name_);
  std::vector<WGPUFeatureName> features;
  const auto ask = [&](uint32_t wanted) {
    const bool has = has_feature(adapter, wanted);
    if (has) features.push_back(static_cast<WGPUFeatureName>(wanted));
    return has;
  };
  times_passes_ = ask(WGPUFeatureName_TimestampQuery);
  has_timestamps_ = times_passes_ && ask(WGPUNativeFeature_TimestampQueryInsidePasses);
  has_subgroups_ = ask(WGPUNativeFeature_Subgroup) || ask(WGPUFeatureName_Subgroups);

  WGPUDeviceDescriptor descriptor{};
  descriptor.label = view("tercet");
  descriptor.requiredFeatureCount = features.size();
  descriptor.requiredFeatures = features.data();
  if (!wants_least()) descriptor.requiredLimits = &limits_;
  descriptor.deviceLostCallbackInfo = {nullptr, WGPUCallbackMode_AllowSpontaneous,
                                       [](WGPUDevice const*, WGPUDeviceLostReason, WGPUStringView message, void* errors,
                                          void*) { static_cast<Errors*>(errors)->lose(text(message)); },
                                       errors_.get(), nullptr};
  descriptor.uncapturedErrorCallbackInfo = {
      nullptr,
      [](WGPUDevice const*, WGPUErrorType type, WGPUStringView message, void* errors, void*) {
        const std::string said = text(message);
        // How wgpu-core answers every call to a device that is gone, whose loss it tells later or never.
        if (said.find("Parent device is lost") != std::string::npos) return static_cast<Errors*>(errors)->lose(said);
        static_cast<Errors*>(errors)->keep(code_of(type, said), said);
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
    return error(code_of(WGPUErrorType_Unknown, answer.message), "wgpu: {}: {}, want a device", name_,
                 first_line(answer.message));
  queue_.reset(wgpuDeviceGetQueue(device_.get()));
  if (wgpuDeviceGetLimits(device_.get(), &limits_) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: {}: no answer about the device's limits, want a working driver", name_);
  return {};
}

Context::~Context() {
  {
    const std::lock_guard lock(errors_->mutex);
    errors_->is_closing = true;
  }
  if (device_) guarded("closing the device", [&] { wgpuDevicePoll(device_.get(), 1, nullptr); });
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
        const std::string said = text(message);
        static_cast<Errors*>(errors)->keep(code_of(type, said), said);
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
  const uint64_t n_other = bytes_in_buffers();
  Buffer buffer(wgpuDeviceCreateBuffer(device_.get(), &descriptor));
  if (buffer) count_buffer(buffer.get());
  RETURN_IF_ERROR(pop_scopes(fmt::format("{} bytes for {}, beside {} in other buffers", n_byte, what, n_other)));
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
  Kernel kernel{std::string(name), Pipeline(wgpuDeviceCreateComputePipeline(device_.get(), &descriptor))};
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
  WGPUSubmissionIndex submission = 0;
  guarded("submitting a step", [&] { submission = wgpuQueueSubmitForIndex(queue_.get(), 1, list); });
  return submission;
}

Status Context::wait(WGPUSubmissionIndex submission) {
  RETURN_IF_ERROR(status());
  guarded("waiting for a step", [&] { wgpuDevicePoll(device_.get(), 1, &submission); });
  return status();
}

Status Context::flush() {
  guarded("submitting what was written", [&] { wgpuQueueSubmit(queue_.get(), 0, nullptr); });
  guarded("waiting for the device", [&] { wgpuDevicePoll(device_.get(), 1, nullptr); });
  return status();
}

void Context::start_reading(Readback& to, uint64_t n_byte) {
  to.n_byte = (n_byte + 7) / 8 * 8;
  to.answer = std::make_shared<Readback::Answer>();
  const WGPUBufferMapCallbackInfo callback = {nullptr, WGPUCallbackMode_AllowSpontaneous,
                                              [](WGPUMapAsyncStatus status, WGPUStringView message, void* user, void*) {
                                                const std::unique_ptr<std::shared_ptr<Readback::Answer>> answer(
                                                    static_cast<std::shared_ptr<Readback::Answer>*>(user));
                                                (*answer)->is_there = true;
                                                (*answer)->ok = status == WGPUMapAsyncStatus_Success;
                                                (*answer)->message = text(message);
                                              },
                                              new std::shared_ptr(to.answer), nullptr};
  wgpuBufferMapAsync(to.buffer.get(), WGPUMapMode_Read, 0, to.n_byte, callback);
}

Result<std::span<const std::byte>> Context::reading(Readback& from) {
  // Its submission is done, so that the first look finds it mapped; a lost device answers too.
  for (int i = 0; i < 100 && !from.answer->is_there; ++i)
    guarded("waiting for results", [&] { wgpuDevicePoll(device_.get(), 1, nullptr); });
  RETURN_IF_ERROR(status());
  if (!from.answer->ok)
    return error(Code::kDevice, "wgpu: {}: reading results: {}, want them mapped", name_,
                 from.answer->is_there ? from.answer->message : "no answer");
  const void* bytes = nullptr;
  guarded("reading results", [&] { bytes = wgpuBufferGetConstMappedRange(from.buffer.get(), 0, from.n_byte); });
  RETURN_IF_ERROR(status());
  if (bytes == nullptr) return error(Code::kDevice, "wgpu: {}: reading results: nothing is mapped", name_);
  return std::span(static_cast<const std::byte*>(bytes), from.n_byte);
}

void Context::done_reading(Readback& from) { wgpuBufferUnmap(from.buffer.get()); }

}  // namespace tercet::wgpu
