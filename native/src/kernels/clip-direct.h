// Convolutions of clips by the kernels of conv-direct.h, each frame of the result in one go.
#pragma once

#include "operators.h"

namespace mfm::kernels {

/** Which frames of the clip a frame of the result is computed from, and more; see clip_conv.cpp. */
struct ClipPath {
  int64_t stride, pad;
  bool halve;
};

/** The clip [T, B, C, H, W] with the channels of a pixel side by side, copied only if they are not. */
Tensor channelsLast(const Tensor& clip);

/** Can these be convolved directly, and is it the fastest way? */
bool convolvesDirectly(const Tensor& x, const Tensor& weight);

/**
 * y = act(conv(x) + bias) into a clip. All clips are [T, B, C, H, W] with the channels of a pixel
 * side by side.
 *
 * @param past     the frames before the clip, or undefined
 * @param slopes   undefined, or receives the derivative of SiLU at each result
 */
void directForward(const Tensor& x, const Tensor& past, const Tensor& weight,
                   const OptionalTensor& bias, const ClipPath& path, bool silu, const Tensor& y,
                   const Tensor& slopes);

/** The gradients that directForward's arguments get from that of its result. */
struct DirectGradients {
  Tensor x, past;      // written where defined
  bool wantsWeight, wantsBias;
  Tensor weight, bias; // float32
};
void directBackward(const Tensor& x, const Tensor& past, const Tensor& weight, const Tensor& dy,
                    const Tensor& slopes, const ClipPath& path, DirectGradients& out);

} // namespace mfm::kernels
