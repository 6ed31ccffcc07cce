// Row kernels for one instruction set. T is float or uint16_t (bfloat16 bits). Sums are in float32
// except where noted.

struct RowStatistics {
  float mean, rstd;
};

// Reads a row into float32 scratch and returns its statistics; in two passes, so that rows far from
// zero lose no precision. With `rms` the mean is 0.
template <class T>
MFM_INLINE RowStatistics readRow(const T* x, float* scratch, int64_t d, float eps, bool rms) {
  F total0 = splat(0), total1 = splat(0), square0 = splat(0), square1 = splat(0);
  int64_t i = 0;
  for (; i + 2 * W <= d; i += 2 * W) {
    const F v0 = load(x + i), v1 = load(x + i + W);
    store(scratch + i, v0);
    store(scratch + i + W, v1);
    total0 += v0;
    total1 += v1;
    square0 += v0 * v0;
    square1 += v1 * v1;
  }
  for (; i < d; i += W) {
    const F v = loadUpTo(x + i, d - i);
    storeUpTo(scratch + i, v, d - i);
    total0 += v;
    square0 += v * v;
  }
  if (rms) return {0.0f, 1.0f / __builtin_sqrtf(sum(square0 + square1) / d + eps)};
  const float mean = sum(total0 + total1) / d;
  F spread = splat(0);
  for (i = 0; i + W <= d; i += W) {
    const F v = load(scratch + i) - mean;
    spread += v * v;
  }
  float variance = sum(spread);
  for (; i < d; ++i) variance += (scratch[i] - mean) * (scratch[i] - mean);
  return {mean, 1.0f / __builtin_sqrtf(variance / d + eps)};
}

// y = normalised(x) * a + b; a and b are float32 rows shared by all `rows`; either may be null.
template <class T>
static void normForward(const T* x, T* y, const float* a, const float* b, float* scratch,
                        int64_t rows, int64_t d, float eps, bool rms) {
  for (int64_t r = 0; r < rows; ++r, x += d, y += d) {
    const RowStatistics row = readRow(x, scratch, d, eps, rms);
    const F rstd = splat(row.rstd), offset = splat(-row.mean * row.rstd);
    for (int64_t i = 0; i < d; i += W) {
      const int64_t n = d - i;
      F v = loadUpTo(scratch + i, n) * rstd + offset;
      if (a) v *= loadUpTo(a + i, n);
      if (b) v += loadUpTo(b + i, n);
      storeUpTo(y + i, v, n);
    }
  }
}

// The gradient of one row; `scratch` holds x as float32. Also productSum += dy * xhat and
// plainSum += dy (null = not wanted).
template <class T>
MFM_INLINE void normRowBackward(const float* scratch, const float* dy, T* dx, const float* a,
                                float* productSum, float* plainSum, RowStatistics row, int64_t d,
                                bool rms) {
  const F rstd = splat(row.rstd), offset = splat(-row.mean * row.rstd);
  F along = splat(0), total = splat(0);
  for (int64_t i = 0; i < d; i += W) {
    const int64_t n = d - i;
    const F g = loadUpTo(dy + i, n);
    F xhat = loadUpTo(scratch + i, n) * rstd + offset;
    if (productSum) storeUpTo(productSum + i, loadUpTo(productSum + i, n) + g * xhat, n);
    if (plainSum) storeUpTo(plainSum + i, loadUpTo(plainSum + i, n) + g, n);
    const F ga = a ? g * loadUpTo(a + i, n) : g;
    along += ga * xhat; // beyond the row's end g is zero, so these are too
    total += ga;
  }
  const F alongMean = splat(sum(along) / d);
  const F mean = splat(rms ? 0.0f : sum(total) / d);
  for (int64_t i = 0; i < d; i += W) {
    const int64_t n = d - i;
    const F g = loadUpTo(dy + i, n);
    const F xhat = loadUpTo(scratch + i, n) * rstd + offset;
    const F ga = a ? g * loadUpTo(a + i, n) : g;
    storeUpTo(dx + i, (ga - mean - xhat * alongMean) * rstd, n);
  }
}

// The gradient of normForward. scratch: 2 d floats.
template <class T>
static void normBackward(const T* x, const T* dy, T* dx, const float* a, float* productSum,
                         float* plainSum, float* scratch, int64_t rows, int64_t d, float eps,
                         bool rms) {
  float* gradient = scratch + d;
  for (int64_t r = 0; r < rows; ++r, x += d, dy += d, dx += d) {
    const RowStatistics row = readRow(x, scratch, d, eps, rms);
    for (int64_t i = 0; i < d; i += W) storeUpTo(gradient + i, loadUpTo(dy + i, d - i), d - i);
    normRowBackward(scratch, gradient, dx, a, productSum, plainSum, row, d, rms);
  }
}

// RMS norm over d = heads * k, then channels 2i and 2i + 1 of every head are rotated by this row's
// angles; `sine` is negated at even channels.
template <class T>
static void ropeForward(const T* x, T* y, const float* weight, const float* cosine,
                        const float* sine, float* scratch, int64_t heads, int64_t k, float eps) {
  const int64_t d = heads * k;
  const F rstd = splat(readRow(x, scratch, d, eps, true).rstd);
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t j = 0; j < k; j += W) {
      const int64_t n = k - j, i = h * k + j;
      F v = loadUpTo(scratch + i, n) * rstd * loadUpTo(weight + i, n);
      if (cosine) {
        v = v * loadUpTo(cosine + j, n) + swapPairs(v) * loadUpTo(sine + j, n);
      }
      storeUpTo(y + i, v, n);
    }
  }
}

// The gradient of ropeForward. scratch: 2 d floats; weightSum += the weight's gradient (null = not
// wanted).
template <class T>
static void ropeBackward(const T* x, const T* dy, T* dx, const float* weight, const float* cosine,
                         const float* sine, float* weightSum, float* scratch, int64_t heads,
                         int64_t k, float eps) {
  const int64_t d = heads * k;
  float* gradient = scratch + d;
  const RowStatistics row = readRow(x, scratch, d, eps, true);
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t j = 0; j < k; j += W) {
      const int64_t n = k - j, i = h * k + j;
      F g = loadUpTo(dy + i, n);
      if (cosine) {
        g = g * loadUpTo(cosine + j, n) + swapPairs(g * loadUpTo(sine + j, n));
      }
      storeUpTo(gradient + i, g, n);
    }
  }
  normRowBackward(scratch, gradient, dx, weight, weightSum, (float*)nullptr, row, d, true);
}

MFM_INLINE F geluInner(F x) {
  return 1.5957691216057308f * (x + 0.044715f * x * x * x); // 2 sqrt(2 / pi) (x + 0.044715 x^3)
}

template <class T> static void geluForward(const T* x, T* y, int64_t count) {
  for (int64_t i = 0; i < count; i += W) {
    const F v = loadUpTo(x + i, count - i);
    storeUpTo(y + i, v * sigmoid(geluInner(v)), count - i);
  }
}

template <class T> static void geluBackward(const T* x, const T* dy, T* dx, int64_t count) {
  for (int64_t i = 0; i < count; i += W) {
    const F v = loadUpTo(x + i, count - i);
    const F s = sigmoid(geluInner(v));
    const F slope = 1.5957691216057308f * (1.0f + 0.134145f * v * v);
    storeUpTo(dx + i, loadUpTo(dy + i, count - i) * (s + v * s * (1.0f - s) * slope), count - i);
  }
}

template <class T> static void siluForward(const T* x, T* y, int64_t count) {
  for (int64_t i = 0; i < count; i += W) {
    const F v = loadUpTo(x + i, count - i);
    storeUpTo(y + i, v * sigmoid(v), count - i);
  }
}

template <class T> static void siluBackward(const T* x, const T* dy, T* dx, int64_t count) {
  for (int64_t i = 0; i < count; i += W) {
    const F v = loadUpTo(x + i, count - i);
    const F s = sigmoid(v);
    storeUpTo(dx + i, loadUpTo(dy + i, count - i) * s * (1.0f + v * (1.0f - s)), count - i);
  }
}

// y = residual + gate * x over rows that share one gate.
template <class T>
static void gatedForward(const T* residual, const T* x, const float* gate, T* y, int64_t rows,
                         int64_t d) {
  for (int64_t r = 0; r < rows; ++r, residual += d, x += d, y += d) {
    for (int64_t i = 0; i < d; i += W) {
      const int64_t n = d - i;
      storeUpTo(y + i, loadUpTo(residual + i, n) + loadUpTo(gate + i, n) * loadUpTo(x + i, n), n);
    }
  }
}

// dx = gate * dy; gateSum += dy * x.
template <class T>
static void gatedBackward(const T* x, const T* dy, const float* gate, T* dx, float* gateSum,
                          int64_t rows, int64_t d) {
  for (int64_t r = 0; r < rows; ++r, x += d, dy += d, dx += d) {
    for (int64_t i = 0; i < d; i += W) {
      const int64_t n = d - i;
      const F g = loadUpTo(dy + i, n);
      storeUpTo(dx + i, g * loadUpTo(gate + i, n), n);
      storeUpTo(gateSum + i, loadUpTo(gateSum + i, n) + g * loadUpTo(x + i, n), n);
    }
  }
}

// One AdamW update with decoupled decay. Source: Loshchilov & Hutter 2019, arXiv 1711.05101.
template <class G>
static void adamw(float* weight, const G* grad, float* mean, float* square, uint16_t* copy,
                  int64_t count, const AdamwFactors& f) {
  const F decay = splat(f.decay), step = splat(f.step), eps = splat(f.eps);
  for (int64_t i = 0; i < count; i += W) {
    const int64_t n = count - i;
    const F g = loadUpTo(grad + i, n) * f.gradScale;
    const F old = loadUpTo(mean + i, n);
    const F m = old + (g - old) * f.meanRate;
    const F v = loadUpTo(square + i, n) * f.squareKeep + g * g * f.squareRate;
    const F denominator = squareRoot(v) * f.squareCorrection + eps;
    const F w = loadUpTo(weight + i, n) * decay - step * m / denominator;
    storeUpTo(mean + i, m, n);
    storeUpTo(square + i, v, n);
    storeUpTo(weight + i, w, n);
    if (copy) storeUpTo(copy + i, w, n);
  }
}

template <class T> static double sumSquares(const T* x, int64_t count) {
  double total = 0;
  while (count > 0) { // summed in float32 within short runs, in float64 over the runs
    const int64_t run = count < 4096 ? count : 4096;
    F part = splat(0);
    for (int64_t i = 0; i < run; i += W) {
      const F v = loadUpTo(x + i, run - i);
      part += v * v;
    }
    total += sum(part);
    x += run;
    count -= run;
  }
  return total;
}

template <class T> static constexpr RowKernels<T> kernelTable() {
  return {normForward<T>,  normBackward<T>, ropeForward<T>,  ropeBackward<T>,
          geluForward<T>,  geluBackward<T>, siluForward<T>,  siluBackward<T>,
          gatedForward<T>, gatedBackward<T>, adamw<T>,       sumSquares<T>};
}
