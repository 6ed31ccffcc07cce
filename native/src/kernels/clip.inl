// Clip kernels for one instruction set: group normalisation of pixels whose C channels are
// contiguous, scaled and shifted by rows of lower resolution. T is float or uint16_t (bfloat16
// bits).

// Mean and sum of squared deviations of each channel over `pixels`; two passes over cached memory.
template <class T>
static void channelMoments(const T* x, int64_t pixels, int64_t c, float* mean, float* spread) {
  for (int64_t i = 0; i < c; i += W) {
    const int64_t n = c - i;
    F total = splat(0);
    for (int64_t p = 0; p < pixels; ++p) total += loadUpTo(x + p * c + i, n);
    const F centre = total * (1.0f / pixels);
    F square = splat(0);
    for (int64_t p = 0; p < pixels; ++p) {
      const F v = loadUpTo(x + p * c + i, n) - centre;
      square += v * v;
    }
    storeUpTo(mean + i, centre, n);
    storeUpTo(spread + i, square, n);
  }
}

// y = act((x * a + d) * scale + shift) for a run of pixels that share scale and shift (or have
// none).
template <class T>
static void clipForward(const T* x, T* y, int64_t pixels, int64_t c, const float* a,
                        const float* d, const T* scale, const T* shift, bool silu) {
  for (int64_t i = 0; i < c; i += W) {
    const int64_t n = c - i;
    F factor = loadUpTo(a + i, n), offset = loadUpTo(d + i, n);
    if (scale) {
      const F s = loadUpTo(scale + i, n);
      factor *= s;
      offset = offset * s + loadUpTo(shift + i, n);
    }
    for (int64_t p = 0; p < pixels; ++p) {
      F v = loadUpTo(x + p * c + i, n) * factor + offset;
      if (silu) v *= sigmoid(v);
      storeUpTo(y + p * c + i, v, n);
    }
  }
}

// Sums for the gradient of y = act(u), u = z * scale + shift, z = x * a + d, per channel:
//   zSum += dz, zxSum += dz * x, scaleSum += du * z, shiftSum += du, where dz = du * scale.
template <class T>
static void clipSums(const T* x, const T* dy, int64_t pixels, int64_t c, const float* a,
                     const float* d, const T* scale, const T* shift, bool silu, float* zSum,
                     float* zxSum, float* scaleSum, float* shiftSum) {
  for (int64_t i = 0; i < c; i += W) {
    const int64_t n = c - i;
    const F factor = loadUpTo(a + i, n), offset = loadUpTo(d + i, n);
    const F s = scale ? loadUpTo(scale + i, n) : splat(1);
    const F h = scale ? loadUpTo(shift + i, n) : splat(0);
    F sum0 = splat(0), sumX = splat(0);
    for (int64_t p = 0; p < pixels; ++p) {
      const F v = loadUpTo(x + p * c + i, n);
      F du = loadUpTo(dy + p * c + i, n);
      if (silu) {
        const F u = (v * factor + offset) * s + h, g = sigmoid(u);
        du *= g * (1.0f + u * (1.0f - g));
      }
      sum0 += du;
      sumX += du * v;
    }
    storeUpTo(zSum + i, loadUpTo(zSum + i, n) + sum0 * s, n);
    storeUpTo(zxSum + i, loadUpTo(zxSum + i, n) + sumX * s, n);
    if (scale) {
      storeUpTo(scaleSum + i, loadUpTo(scaleSum + i, n) + sumX * factor + sum0 * offset, n);
      storeUpTo(shiftSum + i, loadUpTo(shiftSum + i, n) + sum0, n);
    }
  }
}

// dx = dz * a + x * slope + level, where slope and level hold the gradient of the statistics.
template <class T>
static void clipBackward(const T* x, const T* dy, T* dx, int64_t pixels, int64_t c, const float* a,
                         const float* d, const T* scale, const T* shift, bool silu,
                         const float* slope, const float* level) {
  for (int64_t i = 0; i < c; i += W) {
    const int64_t n = c - i;
    const F factor = loadUpTo(a + i, n), offset = loadUpTo(d + i, n);
    const F k = loadUpTo(slope + i, n), l = loadUpTo(level + i, n);
    const F s = scale ? loadUpTo(scale + i, n) : splat(1);
    const F h = scale ? loadUpTo(shift + i, n) : splat(0);
    const F out = factor * s;
    for (int64_t p = 0; p < pixels; ++p) {
      const F v = loadUpTo(x + p * c + i, n);
      F du = loadUpTo(dy + p * c + i, n);
      if (silu) {
        const F u = (v * factor + offset) * s + h, g = sigmoid(u);
        du *= g * (1.0f + u * (1.0f - g));
      }
      storeUpTo(dx + p * c + i, du * out + v * k + l, n);
    }
  }
}

template <class T> static ClipKernels<T> kernelTable() {
  return {channelMoments<T>, clipForward<T>, clipSums<T>, clipBackward<T>};
}
