// What is promised of the machine: that nothing is used in place of what was asked for, that the plan of the memory is kept,
// and that the time goes where the bytes go.
#include <algorithm>

#include "base/memory.h"
#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"

namespace tercet::contract {
namespace {

using backend::Precision;

// A token that reads less than this is bound by the launches and not by the memory.
constexpr int64_t kLeastBytes = int64_t{256} << 20;

}  // namespace

// Figures: `wrong_names`, backends that call themselves something else than was asked for; `accepted_devices`, that were
// made on a device which is not there; `wrong_caches`, whose exact mode keeps its keys and values in less than f32.
Result<Evidence> check_fallback(const Context& context) {
  const Subject& subject = *context.subject;
  Evidence out;
  int wrong_names = 0;
  int wrong_caches = 0;
  for (const Precision precision : kAllPrecisions) {
    RETURN_IF_ERROR(context.world.go_on());
    ASSIGN_OR_RETURN(const auto backend,
                     start(subject, context.world.model, options_for(3, precision, context.world.n_thread)));
    wrong_names += backend->name() != subject.device.backend ? 1 : 0;
    wrong_caches += precision == Precision::kExact && backend->limits().kv.type != backend::KvType::kF32 ? 1 : 0;
  }
  int accepted = 0;
  // A host backend runs on the cores, whatever number they are given.
  if (subject.device.kind != backend::DeviceKind::kCpu) {
    backend::Options options = options_for(3, Precision::kExact, context.world.n_thread);
    options.device = 1000;
    accepted = subject.factory->make(context.world.model, options) ? 1 : 0;
  }
  out.add("wrong_names", {}, wrong_names);
  out.add("accepted_devices", {}, accepted);
  out.add("wrong_caches", {}, wrong_caches);
  return out;
}

// Figures: `share`, of the device's memory that is in use, others' part included, while a backend stands and has run a step;
// `kv_over_plan`, the bytes of its KV cache over those that the plan counted for it.
Result<Evidence> check_memory(const Context& context) {
  const Subject& subject = *context.subject;
  Evidence out;
  const auto options = options_for(64, Precision::kHigh, context.world.n_thread);
  const backend::Footprint plan = subject.factory->footprint(*context.world.model, options);
  ASSIGN_OR_RETURN(const auto backend, start(subject, context.world.model, options));
  ASSIGN_OR_RETURN(const Text text, shipped_text(context.world, 64));
  RETURN_IF_ERROR(run_rows(*backend, text.ids, 0, static_cast<int>(text.ids.size())));
  const backend::KvLayout& kv = backend->limits().kv;
  const double planned = static_cast<double>(plan.kv_bytes_per_token) * kv.page_size;
  out.add("kv_over_plan", {}, static_cast<double>(kv.page_bytes()) / planned);
  if (!subject.look_again) return out;
  ASSIGN_OR_RETURN(const backend::DeviceInfo now, subject.look_again());
  if (!now.memory_total || !now.memory_free) {
    out.skipped = "the device does not tell its memory";
    return out;
  }
  const double share = 1 - static_cast<double>(*now.memory_free) / static_cast<double>(*now.memory_total);
  out.add("share", {}, share, fmt::format("{} in all", format_bytes(*now.memory_total)));
  return out;
}

// Figure: `share`, of the bytes a second that the device was measured to read, what decoding one sequence reads.
Result<Evidence> check_throughput(const Context& context) {
  Evidence out;
  const int64_t bytes = context.world.model->active_bytes_per_token();
  if (bytes < kLeastBytes)
    out.skipped = fmt::format("a token reads {}, too little to be bound by memory; want {}", format_bytes(bytes),
                              format_bytes(kLeastBytes));
  else if (context.subject->device.kind == backend::DeviceKind::kSoftware)
    out.skipped = "software that plays a GPU is bound by the cores";
  else if (!context.subject->read_bandwidth || !context.subject->decode)
    out.skipped = "nobody can tell what the device reads";
  if (!out.skipped.empty()) return out;
  context.world.say("decoding");
  ASSIGN_OR_RETURN(const double bandwidth, context.subject->read_bandwidth());
  ASSIGN_OR_RETURN(const Decoding decoding, context.subject->decode());
  out.add("share", {}, decoding.bytes / decoding.seconds / bandwidth);
  return out;
}

}  // namespace tercet::contract
