// Compiles the kernels in the file named by MFM_KERNELS for every instruction set, and selects one.
// That file defines `static Table kernelTable<T>()`; this one defines `choose<Table, T>()`.

#include "isa.h"

#if MFM_X86
#include <immintrin.h>
#endif

namespace mfm::kernels {

namespace baseline {
#define MFM_WIDTH 4
#include "simd.inl"

#include MFM_KERNELS
#undef MFM_WIDTH
} // namespace baseline

#if MFM_X86
MFM_TARGET_BEGIN(MFM_AVX2)
namespace avx2 {
#define MFM_WIDTH 8
#include "simd.inl"

#include MFM_KERNELS
#undef MFM_WIDTH
} // namespace avx2
MFM_TARGET_END

MFM_TARGET_BEGIN(MFM_AVX512)
namespace avx512 {
#define MFM_WIDTH 16
#include "simd.inl"

#include MFM_KERNELS
#undef MFM_WIDTH
} // namespace avx512
MFM_TARGET_END
#endif

template <class Table, class T> static const Table& choose() {
  static const Table table = [] {
#if MFM_X86
    if (isa() == Isa::avx512) return avx512::kernelTable<T>();
    if (isa() == Isa::avx2) return avx2::kernelTable<T>();
#endif
    return baseline::kernelTable<T>();
  }();
  return table;
}

} // namespace mfm::kernels
