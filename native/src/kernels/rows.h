// The row kernels: plain loops over contiguous rows, one table of them per element type, compiled
// for every instruction set. Threading, shapes and autograd are left to the operators.
#pragma once

#include <cstdint>

#include "isa.h"

namespace mfm::kernels {

struct AdamwFactors {
  float gradScale;        // clipping
  float meanRate;         // 1 - beta1
  float squareKeep;       // beta2
  float squareRate;       // 1 - beta2
  float squareCorrection; // 1 / sqrt(1 - beta2^t)
  float step;             // lr / (1 - beta1^t)
  float decay;            // 1 - lr * weightDecay
  float eps;
};

/** T: float, or uint16_t for bfloat16 bits. The functions are documented in rows.inl. */
template <class T> struct RowKernels {
  void (*normForward)(const T* x, T* y, const float* a, const float* b, float* scratch,
                      int64_t rows, int64_t d, float eps, bool rms);
  void (*normBackward)(const T* x, const T* dy, T* dx, const float* a, float* productSum,
                       float* plainSum, float* scratch, int64_t rows, int64_t d, float eps,
                       bool rms);
  void (*ropeForward)(const T* x, T* y, const float* weight, const float* cosine,
                      const float* sine, float* scratch, int64_t heads, int64_t k, float eps);
  void (*ropeBackward)(const T* x, const T* dy, T* dx, const float* weight, const float* cosine,
                       const float* sine, float* weightSum, float* scratch, int64_t heads,
                       int64_t k, float eps);
  void (*geluForward)(const T* x, T* y, int64_t count);
  void (*geluBackward)(const T* x, const T* dy, T* dx, int64_t count);
  void (*siluForward)(const T* x, T* y, int64_t count);
  void (*siluBackward)(const T* x, const T* dy, T* dx, int64_t count);
  void (*gatedForward)(const T* residual, const T* x, const float* gate, T* y, int64_t rows,
                       int64_t d);
  void (*gatedBackward)(const T* x, const T* dy, const float* gate, T* dx, float* gateSum,
                        int64_t rows, int64_t d);
  void (*adamw)(float* weight, const T* grad, float* mean, float* square, uint16_t* copy,
                int64_t count, const AdamwFactors& factors);
  double (*sumSquares)(const T* x, int64_t count);
};

/** The table for this CPU. */
template <class T> const RowKernels<T>& rows();

} // namespace mfm::kernels
