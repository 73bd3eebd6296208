#include "engine/step_batch.h"

#include "base/check.h"

namespace tercet::engine {

StepBatch::StepBatch(std::span<const Part> parts) {
  for (const Part& part : parts) {
    const Sequence& sequence = *part.sequence;
    const int end = part.begin + part.n_row;
    if (part.copy.from >= 0) page_copies_.push_back(part.copy);
    for (int position = part.begin; position < end; ++position) {
      const bool is_known = position < sequence.n_known();
      // Only the token that a step in flight samples may be unknown here, and the slot remembers just that one.
      CHECK(is_known || position == sequence.n_known());
      rows_.push_back({is_known ? sequence.tokens[static_cast<size_t>(position)] : backend::kLast, position,
                       static_cast<int32_t>(sequences_.size())});
    }
    sequences_.push_back({sequence.place.slot, end, sequence.place.pages});
    if (part.draws) add_output(part);
  }
}

void StepBatch::add_output(const Part& part) {
  Sequence& sequence = *part.sequence;
  backend::Output output;
  output.row = static_cast<int32_t>(rows_.size()) - 1;
  output.n_logprob = sequence.request.n_logprob;
  output.sampling = sequence.request.sampling;
  // The place in the output: after a preemption the same token is drawn with the same number.
  output.random_counter = static_cast<uint64_t>(part.begin + part.n_row - sequence.n_prompt);
  output.counts = sequence.counts.all();
  output.bias = sequence.request.bias;
  if (sequence.matcher) output.mask = sequence.matcher->mask();
  outputs_.push_back(output);
}

backend::Batch StepBatch::batch() const { return {rows_, sequences_, page_copies_, outputs_}; }

}  // namespace tercet::engine
