// Owns the one way in which stages multiply: an input of f32 rows, one to three matrices, and the kernel that suits them.
#pragma once

#include "cuda/context.h"

namespace tercet::cuda {

// Rows of f32 on the device, maybe to be normalised on the way.
struct Stages::Rows {
  const float* x;  // [.., stride]
  int64_t stride;
  const float* norm;  // null, or the weights of the RMS norm in front
  int n;
  const int32_t* gather;  // null, or which rows of x: [n]
  float* normalised;      // null, or where a tap wants the normalised rows, [n, cols]
};

struct Stages::Product {
  const Tensor* w;
  float* y;  // [n, stride]
  int64_t stride;
  bool residual;  // y += instead of y =
};

}  // namespace tercet::cuda
