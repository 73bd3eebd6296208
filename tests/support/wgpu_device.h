// Owns what tests need that look below the WebGPU backend: its first device, or none and a skipped test; and models whose
// sizes are all that matters.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "contract/small_model.h"
#include "wgpu/context.h"

namespace tercet::tests {

class WithWgpu : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = wgpu::Context::open(0);
    if (!opened) GTEST_SKIP() << opened.error().message;
    context_ = std::move(*opened);
  }

  std::unique_ptr<wgpu::Context> context_;
};

// As little as a model can be beside its vocabulary.
inline contract::SmallModel model_of_vocabulary(int n_vocab) {
  contract::SmallModel spec;
  spec.name = "a vocabulary of " + std::to_string(n_vocab);
  spec.n_layer = 1;
  spec.d_model = 32;
  spec.n_head = 1;
  spec.n_head_kv = 1;
  spec.d_head = 32;
  spec.d_ff = 32;
  spec.n_vocab = n_vocab;
  spec.tied = true;
  spec.formats.token_embd = quant::Type::kF32;
  for (quant::Type* type : {&spec.formats.q, &spec.formats.k, &spec.formats.v, &spec.formats.o, &spec.formats.router,
                            &spec.formats.gate, &spec.formats.up, &spec.formats.down, &spec.formats.output})
    *type = quant::Type::kF32;
  return spec;
}

}  // namespace tercet::tests
