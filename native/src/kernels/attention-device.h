// Attention by LibTorch's own fused kernels, for tensors that are not on the CPU.
#pragma once

#include "operators.h"

namespace mfm::kernels {

/** Are there such kernels for the tensors' device in this LibTorch (2.0 or later)? */
bool hasDeviceAttention(const Tensor& q);

/** Like mfm::attention; differentiable if gradients are enabled. */
Tensor deviceAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                       double scale);

} // namespace mfm::kernels
