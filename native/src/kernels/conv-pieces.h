// 2D convolutions of the frames of clips on the CPU, in small pieces that each run on one thread.
// Clips are [T, B, C, H, W] with every frame channels-last, or views of such; weights are [C', C,
// k, k].
#pragma once

#include "operators.h"

namespace mfm::kernels {

struct Conv2d {
  Tensor weight;
  OptionalTensor bias;
  int64_t stride, pad;
};

/** y = conv(x), or y += conv(x). */
void convolve(const Conv2d& conv, const Tensor& x, const Tensor& y, bool add);

struct Wanted {
  bool input, weight, bias;
};

struct ConvGradients {
  Tensor weight, bias; // float32; undefined if not wanted
};

/** Gradients of a convolution; that of the input is written to `dx`, or added to it with `add`. */
ConvGradients convolveBackward(const Conv2d& conv, const Tensor& x, const Tensor& dy,
                               const Tensor& dx, bool add, Wanted wanted);

} // namespace mfm::kernels
