#include "cuda/workspace.h"

#include <algorithm>

#include "cuda/sampling.h"

namespace tercet::cuda {

Workspace place_workspace(const model::Config& config, int max_row, int max_sequence, uint8_t* base) {
  const model::Config& c = config;
  Workspace out = {};
  const auto take = [&]<class T>(T*& pointer, int64_t n) {
    pointer = reinterpret_cast<T*>(base + out.n_byte);
    out.n_byte += (n * int64_t{sizeof(T)} + 255) / 256 * 256;
  };
  const int64_t n_row = max_row;
  const int64_t n_slot = n_row * c.n_expert_used;
  const int64_t width = c.d_q() + 2 * c.d_kv();
  Buffers& b = out.buffers;
  take(b.x, n_row * c.d_model);
  take(b.h, n_row * c.d_model);
  take(b.squares, c.d_model / 16);
  take(b.rows.x, kFewRows * 2 * c.d_model);
  take(b.rows.sum16, kFewRows * c.d_model / 16);
  take(b.rows.inverse, kFewRows * c.d_model / 256);
  take(b.chosen, kFewRows * c.n_expert_used);
  take(b.rows16, std::max(n_row * std::max(c.d_model, c.d_q()), n_slot * c.d_ff));
  take(b.rows_inverse, n_slot);
  take(b.qkv, n_row * width);
  take(b.heads, max_sequence * width);
  take(b.q16, n_row * c.d_q());
  take(b.cosine, n_row * c.d_head / 2);
  take(b.sine, n_row * c.d_head / 2);
  take(b.a, n_row * c.d_q());
  take(b.partial, int64_t{max_sequence} * c.n_head * kMaxSplit * (c.d_head + 2));
  take(b.ticket, int64_t{max_sequence} * c.n_head_kv);
  take(b.router, kRouteParts * n_row * c.n_expert);
  take(b.ids, n_slot);
  take(b.weights, n_slot);
  take(b.slot_row, n_slot);
  take(b.slot_id, n_slot);
  take(b.tiles, n_slot);  // a tile has a slot at least
  take(b.n_tile, 1);
  take(b.gate, n_slot * c.d_ff);
  take(b.up, n_slot * c.d_ff);
  take(b.slot_out, n_slot * c.d_model);
  take(b.last_token, max_sequence);
  take(b.frequency, c.d_head / 2);
  return out;
}

int64_t workspace_bytes(const model::Config& config, int max_row, int max_sequence) {
  return place_workspace(config, max_row, max_sequence, nullptr).n_byte +
         int64_t{max_sequence} * config.n_vocab * int64_t{sizeof(float)} +
         static_cast<int64_t>(sample_workspace_bytes(max_sequence, config.n_vocab)) +
         int64_t{max_sequence} * kMaxTop * int64_t{sizeof(TopEntry)};
}

}  // namespace tercet::cuda
