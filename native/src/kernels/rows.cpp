#include "rows.h"

#define MFM_KERNELS "rows.inl"
#include "levels.inl"

namespace mfm::kernels {

template <> const RowKernels<float>& rows() { return choose<RowKernels<float>, float>(); }
template <> const RowKernels<uint16_t>& rows() { return choose<RowKernels<uint16_t>, uint16_t>(); }

} // namespace mfm::kernels
