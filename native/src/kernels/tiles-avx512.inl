// Products of tiles by the dot products of pairs in AVX512-BF16. See attention-tiles.inl.

static void configure() {}
static void release() {}

constexpr int64_t rowsAtOnce = 8; // times 2 vectors: 16 accumulators hide the latency

// Tiles of right factors have no gaps between their rows.
MFM_INLINE __m512bh loadRow(const uint16_t* tile, int64_t row) {
  return (__m512bh)_mm512_load_si512(tile + row * 32);
}
MFM_INLINE __m512bh repeatPair(const char* pair) {
  int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return (__m512bh)_mm512_set1_epi32(bits);
}

// Computes `rowsAtOnce` rows of `product`; `left` is the first of these rows in the left factor.
static void productRows(Result result, const uint16_t* left, int64_t rowBytes, int64_t advance,
                        Factor right, int64_t terms, bool fresh) {
  // no branches around the loop, which would make gcc 12 keep the sums in memory
  const __mmask16 old = fresh ? 0 : 0xffff;
  __m512 sums[rowsAtOnce][2];
  for (int64_t i = 0; i < rowsAtOnce; ++i) {
    const float* from = result.values + i * result.stride;
    for (int64_t half = 0; half < 2; ++half) {
      sums[i][half] = _mm512_maskz_load_ps(old, from + half * 16);
    }
  }
  int64_t term = 0;
  do {
    const char* pairs = reinterpret_cast<const char*>(left + term * advance);
    const uint16_t* first = right.first + term * right.advance;
    const uint16_t* second = right.second + term * right.advance;
    for (int64_t p = 0; p < 16; ++p, pairs += 4) {
      const __m512bh columns[2] = {loadRow(first, p), loadRow(second, p)};
      for (int64_t i = 0; i < rowsAtOnce; ++i) {
        const __m512bh pair = repeatPair(pairs + i * rowBytes);
        sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, columns[0]);
        sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, columns[1]);
      }
    }
  } while (++term < terms);
  for (int64_t i = 0; i < rowsAtOnce; ++i) {
    for (int64_t half = 0; half < 2; ++half) {
      _mm512_store_ps(result.values + i * result.stride + half * 16, sums[i][half]);
    }
  }
}

// 2 by 2 tiles of result = (fresh ? 0 : result) + left * right over 32 * `terms` terms.
MFM_INLINE void product(Result result, Factor left, Factor right, int64_t terms, bool fresh) {
  for (int64_t row = 0; row < step; row += rowsAtOnce) {
    const uint16_t* tile = row < 16 ? left.first : left.second;
    productRows({result.values + row * result.stride, result.stride},
                tile + row % 16 * left.rowBytes / 2, left.rowBytes, left.advance, right, terms,
                fresh);
  }
}
