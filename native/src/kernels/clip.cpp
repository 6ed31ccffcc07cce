#include "clip.h"

#define MFM_KERNELS "clip.inl"
#include "levels.inl"

namespace mfm::kernels {

template <> const ClipKernels<float>& clips() { return choose<ClipKernels<float>, float>(); }
template <> const ClipKernels<uint16_t>& clips() {
  return choose<ClipKernels<uint16_t>, uint16_t>();
}

} // namespace mfm::kernels
