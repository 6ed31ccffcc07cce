// The table of clip kernels, which are documented in clip.inl.
#pragma once

#include <cstdint>

namespace mfm::kernels {

/** T: float, or uint16_t for bfloat16 bits. */
template <class T> struct ClipKernels {
  void (*moments)(const T* x, int64_t pixels, int64_t c, float* mean, float* spread);
  void (*forward)(const T* x, T* y, int64_t pixels, int64_t c, const float* a, const float* d,
                  const T* scale, const T* shift, bool silu);
  void (*sums)(const T* x, const T* dy, int64_t pixels, int64_t c, const float* a, const float* d,
               const T* scale, const T* shift, bool silu, float* zSum, float* zxSum,
               float* scaleSum, float* shiftSum);
  void (*backward)(const T* x, const T* dy, T* dx, int64_t pixels, int64_t c, const float* a,
                   const float* d, const T* scale, const T* shift, bool silu, const float* slope,
                   const float* level);
};

/** The table for this CPU. */
template <class T> const ClipKernels<T>& clips();

} // namespace mfm::kernels
