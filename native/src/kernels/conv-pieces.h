// 2D convolutions of the frames of clips on the CPU, done in small pieces of which each is one
// thread's. Clips are [T, B, C, H, W] with every frame channels-last, or views of such; weights are
// [C', C, k, k].
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
  Tensor weight, bias; // float32, undefined where they are not wanted
};

/** Gradients of one convolution: that of the input is written to `dx`, or added to it. */
ConvGradients convolveBackward(const Conv2d& conv, const Tensor& x, const Tensor& dy,
                               const Tensor& dx, bool add, Wanted wanted);

} // namespace mfm::kernels
