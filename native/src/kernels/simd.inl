// Vectors of MFM_WIDTH floats, with the operations that the kernels need. Included once per
// instruction set, inside its namespace and target region; hence no include guard.

constexpr int W = MFM_WIDTH;
typedef float F __attribute__((vector_size(W * 4)));
typedef int32_t I __attribute__((vector_size(W * 4)));
typedef uint32_t U __attribute__((vector_size(W * 4)));
typedef uint16_t H __attribute__((vector_size(W * 2)));

#undef MFM_INLINE
#define MFM_INLINE static inline __attribute__((always_inline))

MFM_INLINE F splat(float x) { return F{} + x; }

// bfloat16 is held as uint16_t: the upper half of a float32.
#if MFM_WIDTH == 16 // for AVX-512 the generic forms below compile to twice as many instructions
MFM_INLINE F widen(H half) {
  return (F)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)half), 16);
}
MFM_INLINE H narrow(F value) {
  const U bits = (U)value;
  const U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16; // nearest, ties to even
  const __mmask16 nan = _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_UNORD_Q);
  const __m512i whole = _mm512_mask_mov_epi32((__m512i)rounded, nan, _mm512_set1_epi32(0x7fc0));
  return (H)_mm512_cvtepi32_epi16(whole);
}
MFM_INLINE F atLeast(F v, float low) { return (F)_mm512_max_ps((__m512)v, _mm512_set1_ps(low)); }
MFM_INLINE F atMost(F v, float high) { return (F)_mm512_min_ps((__m512)v, _mm512_set1_ps(high)); }
MFM_INLINE F inverse(F v) {
  const F guess = (F)_mm512_rcp14_ps((__m512)v);
  return guess + guess * (1.0f - v * guess); // adding the small term last keeps it within 1 ulp
}
#else
MFM_INLINE F widen(H half) { return (F)(__builtin_convertvector(half, U) << 16); }
MFM_INLINE H narrow(F value) {
  const U bits = (U)value;
  const U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16; // nearest, ties to even
  const U isNan = (U)(value != value);
  return __builtin_convertvector((rounded & ~isNan) | (0x7fc0 & isNan), H);
}
MFM_INLINE F pick(I condition, F yes, F no) {
  return (F)((condition & (I)yes) | (~condition & (I)no));
}
MFM_INLINE F atLeast(F v, float low) { return pick(v > splat(low), v, splat(low)); }
MFM_INLINE F atMost(F v, float high) { return pick(v < splat(high), v, splat(high)); }
MFM_INLINE F inverse(F v) { return 1.0f / v; }
#endif

MFM_INLINE F load(const float* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
MFM_INLINE F load(const uint16_t* p) {
  H v;
  __builtin_memcpy(&v, p, sizeof v);
  return widen(v);
}
MFM_INLINE void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }
MFM_INLINE void store(uint16_t* p, F v) {
  const H h = narrow(v);
  __builtin_memcpy(p, &h, sizeof h);
}

// Loads the first n < W elements; the rest are zero.
template <class T> MFM_INLINE F loadPart(const T* p, int64_t n) {
  T part[W] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = p[i];
  return load(part);
}
template <class T> MFM_INLINE void storePart(T* p, F v, int64_t n) {
  T part[W];
  store(part, v);
  for (int64_t i = 0; i < n; ++i) p[i] = part[i];
}
template <class T> MFM_INLINE F loadUpTo(const T* p, int64_t n) {
  return n >= W ? load(p) : loadPart(p, n);
}
template <class T> MFM_INLINE void storeUpTo(T* p, F v, int64_t n) {
  if (n >= W) store(p, v);
  else storePart(p, v, n);
}

MFM_INLINE float sum(F v) {
  float total = 0;
  for (int i = 0; i < W; ++i) total += v[i];
  return total;
}

// Swaps neighbours: (a, b, c, d, …) becomes (b, a, d, c, …).
#if MFM_WIDTH == 16
#define MFM_SWAPPED 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14
#elif MFM_WIDTH == 8
#define MFM_SWAPPED 1, 0, 3, 2, 5, 4, 7, 6
#else
#define MFM_SWAPPED 1, 0, 3, 2
#endif
MFM_INLINE F swapPairs(F v) {
#if defined(__clang__)
  return __builtin_shufflevector(v, v, MFM_SWAPPED);
#else
  return __builtin_shuffle(v, (I){MFM_SWAPPED});
#endif
}
#undef MFM_SWAPPED

MFM_INLINE F squareRoot(F v) {
#if MFM_WIDTH == 16
  return (F)_mm512_sqrt_ps((__m512)v);
#elif MFM_WIDTH == 8
  return (F)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < W; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// e^x within 2 ulp. Source: Cephes expf, range reduction by ln 2 in two parts.
MFM_INLINE F exponential(F x) {
  x = atMost(atLeast(x, -87.0f), 88.0f);
  const F magic = splat(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
  const F shifted = x * 1.44269504088896341f + magic;
  const F n = shifted - magic;
  const F r = x - n * 0.693359375f + n * 2.12194440e-4f;
  F p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return (F)((I)p + ((I)shifted << 23));
}
MFM_INLINE F sigmoid(F x) { return inverse(1.0f + exponential(-x)); }
