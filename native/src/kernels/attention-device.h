// Attention by LibTorch's own fused kernels, for tensors that are not on the CPU.
#pragma once

#include "operators.h"

namespace mfm::kernels {

/** Whether the tensors' device and this LibTorch (2.0 and later) have such kernels. */
bool hasDeviceAttention(const Tensor& q);

/** As mfm::attention; differentiable where gradients are on. */
Tensor deviceAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                       double scale);

} // namespace mfm::kernels
