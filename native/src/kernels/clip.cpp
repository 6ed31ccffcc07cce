#include "clip.h"

#include "isa.h"

#if MFM_X86
#include <immintrin.h>
#endif

namespace mfm::kernels {

namespace baseline {
#define MFM_WIDTH 4
#include "simd.inl"

#include "clip.inl"
#undef MFM_WIDTH
} // namespace baseline

#if MFM_X86
MFM_TARGET_BEGIN(MFM_AVX2)
namespace avx2 {
#define MFM_WIDTH 8
#include "simd.inl"

#include "clip.inl"
#undef MFM_WIDTH
} // namespace avx2
MFM_TARGET_END

MFM_TARGET_BEGIN(MFM_AVX512)
namespace avx512 {
#define MFM_WIDTH 16
#include "simd.inl"

#include "clip.inl"
#undef MFM_WIDTH
} // namespace avx512
MFM_TARGET_END
#endif

template <class T> static const ClipKernels<T>& choose() {
  static const ClipKernels<T> table = [] {
#if MFM_X86
    if (isa() == Isa::avx512) return avx512::clipKernels<T>();
    if (isa() == Isa::avx2) return avx2::clipKernels<T>();
#endif
    return baseline::clipKernels<T>();
  }();
  return table;
}

template <> const ClipKernels<float>& clips() { return choose<float>(); }
template <> const ClipKernels<uint16_t>& clips() { return choose<uint16_t>(); }

} // namespace mfm::kernels
