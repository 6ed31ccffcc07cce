// Products of convolutions by the dot products of pairs in AVX512-BF16. Lanes hold the channels of
// the result; of up to 8 channels each takes two lanes (`quads`), whose sums are added up in the
// end. See conv-direct.inl.

namespace {

constexpr int64_t pairsAtOnce = 1;

void configure() {}
void release() {}

// --- pictures from pictures

// The sums of two pixels with two lanes per channel, as two times 8 channels.
MFM_INLINE __m512 joinQuads(__m512 one, __m512 two) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return _mm512_add_ps(_mm512_permutex2var_ps(one, even, two),
                       _mm512_permutex2var_ps(one, odd, two));
}

// P pixels, from `pixel` on, of N vectors. step: bytes of the source between pixels.
template <int P, int N, bool Quads>
static void pixels(const Run* runs, int64_t count, int64_t pixel, int64_t step, const Sink& sink) {
  __m512 sums[P][N];
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
    const __m512 bias = _mm512_load_ps(sink.bias + n * 16);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sums[p][n] = bias;
  }
  constexpr int groups = (P + 3) / 4; // one pointer for four pixels: not enough registers for all
  const int64_t step3 = 3 * step;
  for (const Run* run = runs; run < runs + count; ++run) {
    const char* at[groups];
    at[0] = reinterpret_cast<const char*>(run->source) + pixel * step;
#pragma GCC unroll 4
    for (int g = 1; g < groups; ++g) at[g] = at[g - 1] + 4 * step;
    const uint16_t* weights = run->weights;
    for (int64_t unit = run->units; unit > 0; --unit) {
      __m512bh columns[N];
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) columns[n] = (__m512bh)_mm512_load_si512(weights + n * 32);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        const char* pair = at[p / 4] + (p % 4 == 3 ? step3 : p % 4 * step);
        __m512bh terms;
        if constexpr (Quads) {
          int64_t bits;
          std::memcpy(&bits, pair, sizeof bits);
          terms = (__m512bh)_mm512_set1_epi64(bits);
        } else {
          int32_t bits;
          std::memcpy(&bits, pair, sizeof bits);
          terms = (__m512bh)_mm512_set1_epi32(bits);
        }
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) sums[p][n] = _mm512_dpbf16_ps(sums[p][n], columns[n], terms);
      }
      weights += N * 32;
#pragma GCC unroll 4
      for (int g = 0; g < groups; ++g) {
        at[g] += Quads ? 8 : 4;
        asm("" : "+r"(at[g])); // else gcc keeps a pointer for every pixel, and those in memory
      }
    }
  }
  if constexpr (Quads) {
    const __mmask8 mask = static_cast<__mmask8>(laneMask(sink.channels));
#pragma GCC unroll 16
    for (int p = 0; p < P; p += 2) {
      const int q = p + 1 < P ? p + 1 : p;
      putTwo(sink, (pixel + p) * sink.stride, (pixel + q) * sink.stride, mask,
             joinQuads(sums[p][0], sums[q][0]));
    }
  } else {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const __mmask16 mask = laneMask(sink.channels - n * 16);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) put(sink, (pixel + p) * sink.stride + n * 16, mask, sums[p][n]);
    }
  }
}

// `n` pixels of a row: as many as possible P at a time; the last ones may be computed again.
template <int P, int N, bool Quads>
static void row(const Run* runs, int64_t count, int64_t n, int64_t step, const Sink& sink) {
  int64_t pixel = 0;
  if (n < P) {
    if constexpr (P > 4) {
      row<4, N, Quads>(runs, count, n, step, sink);
    } else {
      for (; pixel < n; ++pixel) pixels<1, N, Quads>(runs, count, pixel, step, sink);
    }
    return;
  }
  for (; pixel + P <= n; pixel += P) pixels<P, N, Quads>(runs, count, pixel, step, sink);
  if (pixel < n) pixels<P, N, Quads>(runs, count, n - P, step, sink);
}

RowKernel rowKernel(const ConvPass& pass) {
  if (pass.quads) return row<16, 1, true>;
  return pass.vectors == 1 ? row<16, 1, false> : pass.vectors == 2 ? row<8, 2, false>
                                                                   : row<4, 4, false>;
}

// --- gradients of weights

// Arranges the values of a row of the result in pairs of pixels: [pairs][wide][2]; with quads, every
// pair is there twice.
void arrange(uint32_t* out, const uint16_t* row, int64_t pairs, const WeightPass& pass) {
  const int64_t channels = pass.sizes.outChannels, wide = pass.blocks * pass.vectors * 16;
  const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  for (int64_t p = 0; p < pairs; ++p, row += 2 * channels, out += wide) {
    for (int64_t i = 0; i < wide; i += 16) {
      const __mmask16 inside = laneMask(channels - i);
      const __m512i first = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, row + i));
      const __m512i second =
          _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, row + channels + i));
      __m512i pair = _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
      if (pass.quads) pair = _mm512_permutexvar_epi32(twice, pair);
      _mm512_store_si512(out + i, pair);
    }
  }
}

// Adds K units of N vectors to `sums`, [K][N * 16], over rows of pairs.
template <int K, int N, bool Quads>
static void addUnits(const PairRow* rows, int64_t count, int64_t unit, int64_t pairs, int64_t xStep,
                     int64_t dyStep, int64_t block, float* target) {
  __m512 sums[K][N];
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sums[k][n] = _mm512_load_ps(target + (k * N + n) * 16);
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t* x = rows[i].x + unit * (Quads ? 2 : 1);
    const uint32_t* dy = rows[i].dy + block * N * 16;
    for (int64_t p = pairs; p > 0; --p, x += xStep, dy += dyStep) {
      __m512bh columns[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) columns[n] = (__m512bh)_mm512_load_si512(dy + n * 16);
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k) {
        __m512bh terms;
        if constexpr (Quads) {
          int64_t bits;
          std::memcpy(&bits, x + 2 * k, sizeof bits);
          terms = (__m512bh)_mm512_set1_epi64(bits);
        } else {
          terms = (__m512bh)_mm512_set1_epi32(x[k]);
        }
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sums[k][n] = _mm512_dpbf16_ps(sums[k][n], columns[n], terms);
      }
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) _mm512_store_ps(target + (k * N + n) * 16, sums[k][n]);
  }
}

template <int N, bool Quads> static UnitKernel unitKernelOf(int64_t chunk) {
  return chunk == 16 / N   ? addUnits<16 / N, N, Quads>
         : chunk == 12 / N ? addUnits<12 / N, N, Quads>
                           : addUnits<8 / N, N, Quads>;
}
UnitKernel unitKernel(const WeightPass& pass) {
  if (pass.quads) return unitKernelOf<1, true>(pass.chunk);
  return pass.vectors == 1   ? unitKernelOf<1, false>(pass.chunk)
         : pass.vectors == 2 ? unitKernelOf<2, false>(pass.chunk)
                             : unitKernelOf<4, false>(pass.chunk);
}

// Adds the sums of the result's values per channel.
void addBias(const PairRow* rows, int64_t count, int64_t pairs, const WeightPass& pass,
             float* target) {
  const int64_t wide = pass.blocks * pass.vectors * 16;
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
  for (int64_t lane = 0; lane < wide; lane += 16) {
    __m512 sum = _mm512_load_ps(target + lane);
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t* dy = rows[i].dy + lane;
      for (int64_t p = 0; p < pairs; ++p, dy += wide) {
        sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_load_si512(dy), ones);
      }
    }
    _mm512_store_ps(target + lane, sum);
  }
}

} // namespace
