#include "cuda/workspace.h"

namespace tercet::cuda {

int64_t workspace_bytes(const model::Config& config, int max_row, int max_sequence, backend::Precision precision) {
  const model::Config& c = config;
  const int64_t n_slot = int64_t{max_row} * c.n_expert_used;
  // The operands of products are f16 but in `exact`.
  const int64_t operand = precision == backend::Precision::kExact ? 4 : 2;
  // The residual stream and the sum to add; q, k, v; the router. Then what products read: the normalised stream and
  // attention's answer.
  const int64_t row_bytes =
      4 * (2 * int64_t{c.d_model} + c.d_q() + 2 * c.d_kv() + c.n_expert) + operand * (int64_t{c.d_model} + c.d_q());
  // Of each chosen expert: gate, up and the answer, and their product.
  const int64_t slot_bytes = 4 * (2 * int64_t{c.d_ff} + c.d_model) + operand * c.d_ff;
  const int64_t output_bytes = 4 * (int64_t{c.n_vocab} + c.d_model);
  return max_row * row_bytes + n_slot * slot_bytes + max_sequence * output_bytes;
}

}  // namespace tercet::cuda
