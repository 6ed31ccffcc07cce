// One attention head on bfloat16 matrix tiles. Scores are kept transposed, [keys, queries]: a vector
// then holds 16 queries, so the softmax over keys needs no reduction across a vector, and keys are
// used in their original layout.
//
// A tile is 16 rows of 64 bytes. The left factor of a product is [16, 32] bfloat16; the right one
// [32, 16], stored as 16 rows of 16 pairs (its rows 2p and 2p + 1 side by side); the result [16,
// 16] float32. Everything works on `step` = 32 keys and queries at a time, so on 2 by 2 result
// tiles. The file named by MFM_TILES implements their product.
// Source: Dao 2023, FlashAttention-2, arXiv 2307.08691.
//
// Included once per instruction set, inside its namespace and target region; hence no include
// guard.

namespace {

MFM_INLINE void transpose16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    t[j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
    t[4 + j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
    t[8 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
  }
  for (int j = 0; j < 4; ++j) {
    r[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
    r[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
    r[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
    r[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xdd);
  }
}

MFM_INLINE void storeTile(uint16_t* tile, const __m512i r[16]) {
  for (int i = 0; i < 16; ++i) _mm512_store_si512(tile + i * 32, r[i]);
}

MFM_INLINE uint32_t firstBits(int64_t n) { return n >= 32 ? ~0u : n <= 0 ? 0u : (1u << n) - 1; }

// Loads 16 rows from `row` and 32 columns from `column`; zero beyond `rows` and `columns`.
MFM_INLINE void loadRows(__m512i r[16], HeadView m, int64_t row, int64_t rows, int64_t column,
                         int64_t columns) {
  const __mmask32 inside = firstBits(columns - column);
  for (int64_t i = 0; i < 16; ++i) {
    r[i] = row + i < rows ? _mm512_maskz_loadu_epi16(inside, m.row(row + i) + column)
                          : _mm512_setzero_si512();
  }
}

// Loads 32 rows from `row` and 16 columns from `column`: r[p] holds rows 2p and 2p + 1 as pairs.
MFM_INLINE void loadPairs(__m512i r[16], HeadView m, int64_t row, int64_t rows, int64_t column,
                          int64_t columns) {
  const __mmask16 inside = static_cast<__mmask16>(firstBits(columns - column));
  const auto wide = [&](int64_t i) {
    return i < rows ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, m.row(i) + column))
                    : _mm512_setzero_si512();
  };
  for (int64_t p = 0; p < 16; ++p) {
    r[p] = _mm512_or_si512(wide(row + 2 * p), _mm512_slli_epi32(wide(row + 2 * p + 1), 16));
  }
}

// Packs the left factor m: [roundUp(rows), width], rows unchanged.
void packRows(uint16_t* out, HeadView m, int64_t rows, int64_t columns, int64_t width) {
  __m512i r[16];
  for (int64_t row = 0; row < roundUp(rows); row += 16) {
    for (int64_t column = 0; column < width; column += 32) {
      loadRows(r, m, row, rows, column, columns);
      for (int i = 0; i < 16; ++i) _mm512_store_si512(out + (row + i) * width + column, r[i]);
    }
  }
}

// Packs the left factor m^T, from 32 rows of m: tiles [width / 16][16 columns, 32 rows].
MFM_INLINE void packTransposed(uint16_t* out, HeadView m, int64_t row, int64_t rows,
                               int64_t columns, int64_t width) {
  __m512i r[16];
  for (int64_t column = 0; column < width; column += 16, out += tileElements) {
    loadPairs(r, m, row, rows, column, columns);
    transpose16(r);
    storeTile(out, r);
  }
}

// Packs the right factor m^T, from 32 rows of m: tiles [width / 32][2 halves of the rows][32
// columns, 16 rows].
MFM_INLINE void packRightTransposed(uint16_t* out, HeadView m, int64_t row, int64_t rows,
                                    int64_t columns, int64_t width) {
  __m512i r[16];
  for (int64_t column = 0; column < width; column += 32) {
    for (int64_t half = 0; half < 32; half += 16, out += tileElements) {
      loadRows(r, m, row + half, rows, column, columns);
      transpose16(r);
      storeTile(out, r);
    }
  }
}

// Packs the right factor m, from 32 rows of m: tiles [width / 16][32 rows, 16 columns].
MFM_INLINE void packRight(uint16_t* out, HeadView m, int64_t row, int64_t rows, int64_t columns,
                          int64_t width) {
  __m512i r[16];
  for (int64_t column = 0; column < width; column += 16, out += tileElements) {
    loadPairs(r, m, row, rows, column, columns);
    storeTile(out, r);
  }
}

// Two tiles, one below the other (left factor) or side by side (right factor), and the distance to
// the next ones.
struct Factor {
  const uint16_t *first, *second;
  int64_t rowBytes; // distance between a tile's rows; 64 in right factors
  int64_t advance;  // elements to the tiles of the next 32 terms
};

struct Result {
  float* values;
  int64_t stride; // floats between rows
};

#include MFM_TILES

// Rows `row` to `row` + 32 of memory filled by packRows.
MFM_INLINE Factor leftRows(const uint16_t* packed, int64_t row, int64_t width) {
  return {packed + row * width, packed + (row + 16) * width, width * 2, 32};
}
// Two neighbouring tiles, where each 32 terms have `perStep` tiles.
MFM_INLINE Factor tiles(const uint16_t* packed, int64_t perStep) {
  return {packed, packed + tileElements, 64, perStep * tileElements};
}

// 2^x for x >= -126, with a relative error of 1e-4, a twentieth of half a unit in bfloat16's last
// place. NaN stays NaN: what is shifted into the exponent are its low bits, and these are zero in
// one that comes from bfloat16 or from a calculation.
MFM_INLINE __m512 powerOfTwo(__m512 x) {
  const __m512 magic = _mm512_set1_ps(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
  const __m512 shifted = _mm512_add_ps(x, magic);
  const __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(shifted, magic));
  __m512 p = _mm512_set1_ps(0.055838282946220154f); // interpolates 2^f at Chebyshev nodes
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24263947854625845f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6931367338836214f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.9999245569508709f));
  return _mm512_castsi512_ps(_mm512_add_epi32(
      _mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}
// If either is NaN, max returns the second one.
MFM_INLINE __m512 clampedPowerOfTwo(__m512 x) {
  return powerOfTwo(_mm512_max_ps(_mm512_set1_ps(-126.0f), x));
}

// Converts both to bfloat16, with `low` in the lower half.
MFM_INLINE __m512i halves(__m512 high, __m512 low) {
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}
// Converts both to bfloat16 and interleaves them: one row of a right factor.
MFM_INLINE __m512i pairs(__m512 even, __m512 odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, halves(odd, even));
}

// The dot product of two rows.
MFM_INLINE float dot(const uint16_t* a, const uint16_t* b, int64_t count) {
  __m512 total = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += 32) {
    const __mmask32 inside = firstBits(count - i);
    total = _mm512_dpbf16_ps(total, (__m512bh)_mm512_maskz_loadu_epi16(inside, a + i),
                             (__m512bh)_mm512_maskz_loadu_epi16(inside, b + i));
  }
  return _mm512_reduce_add_ps(total);
}

// The largest 2-norm of the rows [from, to).
float longest(HeadView m, int64_t from, int64_t to, int64_t columns) {
  float square = 0;
  for (int64_t i = from; i < to; ++i) {
    const float s = dot(m.row(i), m.row(i), columns);
    square = s > square || s != s ? s : square; // NaN stays
  }
  return std::sqrt(square);
}

// The bias added to each key's scores, times log2 e; masks the keys that pad the last step.
void fillBias(float* bias, const float* mask, int64_t lk) {
  for (int64_t i = 0; i < roundUp(lk); ++i) {
    bias[i] = i >= lk ? hidden : mask ? std::max(mask[i] * log2e, hidden) : 0.0f;
    if (std::isnan(bias[i])) bias[i] = std::numeric_limits<float>::quiet_NaN(); // see powerOfTwo
  }
}

// Writes rows of out = (transposed [width, 32])^T * factor, with one `factor` per row.
MFM_INLINE void writeTransposed(HeadView out, int64_t row, int64_t rows, int64_t columns,
                                const float* transposed, const float* factor) {
  for (int64_t half = 0; half < 32; half += 16) {
    const int64_t count = std::min<int64_t>(16, rows - row - half);
    const __m512 factors = _mm512_loadu_ps(factor + half);
    for (int64_t column = 0; column < columns && count > 0; column += 16) {
      const __mmask16 inside = static_cast<__mmask16>(firstBits(columns - column));
      __m512i r[16];
      for (int64_t i = 0; i < 16; ++i) {
        const __m512 v = _mm512_load_ps(transposed + (column + i) * step + half);
        r[i] = _mm512_castps_si512(_mm512_mul_ps(v, factors));
      }
      transpose16(r);
      for (int64_t i = 0; i < count; ++i) {
        const __m512bh narrow16 = _mm512_cvtne2ps_pbh(_mm512_setzero_ps(),
                                                      _mm512_castsi512_ps(r[i]));
        _mm256_mask_storeu_epi16(out.row(row + half + i) + column, inside,
                                 _mm512_castsi512_si256((__m512i)narrow16));
      }
    }
  }
}

struct ForwardBuffers {
  uint16_t *keys, *values, *queries, *probabilities;
  float *scores, *output, *bias;
};

// One step of 32 keys whose bounded scores need no maximum: probabilities = 2^(scores * factor).
MFM_INLINE void boundedStep(const float* scores, uint16_t* probabilities, __m512 factor,
                            int64_t valid, __m512 sums[2]) {
  for (int64_t p = 0; p < 16; ++p) {
    for (int64_t half = 0; half < 2; ++half) {
      const float* s = scores + 2 * p * step + half * 16;
      __m512 even = powerOfTwo(_mm512_mul_ps(_mm512_load_ps(s), factor));
      __m512 odd = powerOfTwo(_mm512_mul_ps(_mm512_load_ps(s + step), factor));
      if (__builtin_expect(2 * p + 1 >= valid, 0)) {
        odd = _mm512_setzero_ps();
        if (2 * p >= valid) even = _mm512_setzero_ps();
      }
      sums[half] = _mm512_add_ps(sums[half], _mm512_add_ps(even, odd));
      _mm512_store_si512(probabilities + half * tileElements + p * 32, pairs(even, odd));
    }
  }
}

void boundedBlock(const ForwardBuffers& b, int64_t from, int64_t steps, int64_t lk, int64_t width,
                  float factor, __m512 sums[2]) {
  const __m512 factors = _mm512_set1_ps(factor);
  const Factor queries = tiles(b.queries, 2);
  product({b.scores, step}, leftRows(b.keys, from, width), queries, width / 32, true);
  for (int64_t i = 0; i < steps; ++i) { // the next step's products overlap this one's exp
    MFM_MEMORY_FENCE();
    if (i + 1 < steps) {
      product({b.scores + (i + 1) % 2 * step * step, step},
              leftRows(b.keys, from + (i + 1) * step, width), queries, width / 32, true);
    }
    boundedStep(b.scores + i % 2 * step * step, b.probabilities + i * 2 * tileElements, factors,
                lk - from - i * step, sums);
  }
}

// The general case: a bias, and a running maximum, by which earlier sums are rescaled.
void onlineBlock(const ForwardBuffers& b, int64_t from, int64_t steps, int64_t width, float factor,
                 __m512 maxima[2], __m512 sums[2], bool first) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < steps; ++i) {
    product({b.scores + i * step * step, step}, leftRows(b.keys, from + i * step, width),
            tiles(b.queries, 2), width / 32, true);
  }
  MFM_MEMORY_FENCE();
  const int64_t keys = steps * step;
  for (int64_t half = 0; half < 2; ++half) {
    float* scores = b.scores + half * 16;
    __m512 maximum = maxima[half];
    for (int64_t i = 0; i < keys; ++i) {
      const __m512 x = _mm512_fmadd_ps(_mm512_load_ps(scores + i * step), factors,
                                       _mm512_set1_ps(b.bias[from + i]));
      _mm512_store_ps(scores + i * step, x);
      maximum = _mm512_max_ps(x, maximum); // passes over NaN, which x keeps
    }
    if (!first && _mm512_cmp_ps_mask(maximum, maxima[half], _CMP_NEQ_UQ)) {
      const __m512 shrink = clampedPowerOfTwo(_mm512_sub_ps(maxima[half], maximum));
      sums[half] = _mm512_mul_ps(sums[half], shrink);
      for (int64_t d = 0; d < width; ++d) {
        float* o = b.output + d * step + half * 16;
        _mm512_store_ps(o, _mm512_mul_ps(_mm512_load_ps(o), shrink));
      }
    }
    maxima[half] = maximum;
    __m512 sum = sums[half];
    for (int64_t i = 0; i < keys; i += 2) {
      const float* s = scores + i * step;
      const __m512 even = clampedPowerOfTwo(_mm512_sub_ps(_mm512_load_ps(s), maximum));
      const __m512 odd = clampedPowerOfTwo(_mm512_sub_ps(_mm512_load_ps(s + step), maximum));
      sum = _mm512_add_ps(sum, _mm512_add_ps(even, odd));
      uint16_t* tile = b.probabilities + (i / step * 2 + half) * tileElements;
      _mm512_store_si512(tile + i % step / 2 * 32, pairs(even, odd));
    }
    sums[half] = sum;
  }
}

void forward(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out, float* lse,
             int64_t lq, int64_t lk, int64_t headDim, float scale) {
  const int64_t width = roundUp(headDim), keys = roundUp(lk);
  Scratch& memory = scratch();
  memory.reserve(Scratch::bytesFor<uint16_t>(2 * keys * width + 2 * tileElements * (width / 32)) +
                 Scratch::bytesFor<uint16_t>(block * step) +
                 Scratch::bytesFor<float>(block * step + width * step + keys));
  ForwardBuffers b;
  b.keys = memory.take<uint16_t>(keys * width);
  b.values = memory.take<uint16_t>(keys * width);
  b.queries = memory.take<uint16_t>(2 * tileElements * (width / 32));
  b.probabilities = memory.take<uint16_t>(block * step);
  b.scores = memory.take<float>(block * step);
  b.output = memory.take<float>(width * step);
  b.bias = memory.take<float>(keys);

  packRows(b.keys, k, lk, headDim, width);
  for (int64_t i = 0; i < keys; i += step) {
    packTransposed(b.values + i * width, v, i, lk, headDim, width);
  }
  fillBias(b.bias, mask, lk);
  const float longestKey = mask ? 0.0f : longest(k, 0, lk, headDim);
  const float factor = scale * log2e;

  for (int64_t row = 0; row < lq; row += step) {
    packRightTransposed(b.queries, q, row, lq, headDim, width);
    // |score| <= |q| |k| scale. Below this bound e^score and its sums fit float32 without
    // subtracting the maximum.
    constexpr float safe = 40.0f;
    const bool bounded =
        !mask && std::abs(scale) * longestKey *
                         longest(q, row, std::min(lq, row + step), headDim) <= safe;
    __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    __m512 maxima[2] = {_mm512_set1_ps(hidden), _mm512_set1_ps(hidden)};
    for (int64_t from = 0; from < keys; from += block) {
      const int64_t steps = std::min(block, keys - from) / step;
      if (bounded) boundedBlock(b, from, steps, lk, width, factor, sums);
      else onlineBlock(b, from, steps, width, factor, maxima, sums, from == 0);
      MFM_MEMORY_FENCE();
      for (int64_t d = 0; d < width; d += 32) {
        product({b.output + d * step, step},
                tiles(b.values + from * width + d / 16 * tileElements, width / 16),
                tiles(b.probabilities, 2), steps, from == 0);
      }
      MFM_MEMORY_FENCE();
    }
    alignas(64) float inverse[step], total[step], maximum[step];
    for (int half = 0; half < 2; ++half) {
      _mm512_store_ps(inverse + half * 16, _mm512_div_ps(_mm512_set1_ps(1.0f), sums[half]));
      _mm512_store_ps(total + half * 16, sums[half]);
      _mm512_store_ps(maximum + half * 16, bounded ? _mm512_setzero_ps() : maxima[half]);
    }
    writeTransposed(out, row, lq, headDim, b.output, inverse);
    if (!lse) continue;
    for (int64_t i = 0; i < std::min(step, lq - row); ++i) {
      lse[row + i] = maximum[i] / log2e + std::log(total[i]);
    }
  }
}

struct BackwardBuffers {
  // left factors: all keys and values; the transposed keys of one key block
  uint16_t *keys, *values, *keysTransposed;
  // right factors for all queries: transposed, and not transposed
  uint16_t *queriesTransposed, *dOutTransposed, *queries, *dOut;
  // for one key block and query block: left factors [64 keys, block]; right factor of one step
  uint16_t *probabilities, *dScores, *dScoresRight;
  float *scores, *dProbabilities;  // [32 keys, 32 queries]
  float *dQueries, *dKeys, *dValues; // [queries / 32][width, 32]; [64 keys, width] twice
  float *bias, *lse, *delta;
};

constexpr int64_t keyBlock = 64;

// Computes probabilities and score gradients of 32 keys by 32 queries, from scores and
// dProbabilities.
MFM_INLINE void gradientStep(const BackwardBuffers& b, const float* bias, const float* lse,
                             const float* delta, float factor, uint16_t* probabilities,
                             uint16_t* dScores, uint16_t* dScoresRight) {
  const __m512 factors = _mm512_set1_ps(factor);
  const __m512 lses[2] = {_mm512_load_ps(lse), _mm512_load_ps(lse + 16)};
  const __m512 deltas[2] = {_mm512_load_ps(delta), _mm512_load_ps(delta + 16)};
  for (int64_t p = 0; p < 16; ++p) {
    __m512 ds[2][2];
    for (int64_t odd = 0; odd < 2; ++odd) {
      const int64_t key = 2 * p + odd;
      __m512 probability[2];
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = key * step + half * 16;
        const __m512 offset = _mm512_sub_ps(_mm512_set1_ps(bias[key]), lses[half]);
        probability[half] = clampedPowerOfTwo(
            _mm512_fmadd_ps(_mm512_load_ps(b.scores + at), factors, offset));
        ds[odd][half] = _mm512_mul_ps(
            probability[half],
            _mm512_sub_ps(_mm512_load_ps(b.dProbabilities + at), deltas[half]));
      }
      _mm512_store_si512(probabilities + key * block, halves(probability[1], probability[0]));
      _mm512_store_si512(dScores + key * block, halves(ds[odd][1], ds[odd][0]));
    }
    for (int64_t half = 0; half < 2; ++half) {
      _mm512_store_si512(dScoresRight + half * tileElements + p * 32,
                         pairs(ds[0][half], ds[1][half]));
    }
  }
}

MFM_INLINE void writeRows(HeadView out, int64_t row, int64_t rows, int64_t columns, int64_t width,
                          const float* values, float factor) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; row + i < rows && i < keyBlock; ++i) {
    for (int64_t column = 0; column < columns; column += 32) {
      const float* from = values + i * width + column;
      const __m512i both = halves(_mm512_mul_ps(_mm512_load_ps(from + 16), factors),
                                  _mm512_mul_ps(_mm512_load_ps(from), factors));
      _mm512_mask_storeu_epi16(out.row(row + i) + column, firstBits(columns - column), both);
    }
  }
}

void backward(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out, HeadView dOut,
              const float* lse, HeadView dq, HeadView dk, HeadView dv, int64_t lq, int64_t lk,
              int64_t headDim, float scale) {
  const int64_t width = roundUp(headDim), keys = roundUp(lk), queries = roundUp(lq);
  Scratch& memory = scratch();
  memory.reserve(
      Scratch::bytesFor<uint16_t>((2 * keys + keyBlock + 4 * queries) * width) +
      Scratch::bytesFor<uint16_t>(2 * keyBlock * block + 4 * tileElements) +
      Scratch::bytesFor<float>(2 * step * step + queries * width + 2 * keyBlock * width) +
      Scratch::bytesFor<float>(keys + 2 * queries));
  BackwardBuffers b;
  b.keys = memory.take<uint16_t>(keys * width);
  b.values = memory.take<uint16_t>(keys * width);
  b.keysTransposed = memory.take<uint16_t>(keyBlock * width);
  b.queriesTransposed = memory.take<uint16_t>(queries * width);
  b.dOutTransposed = memory.take<uint16_t>(queries * width);
  b.queries = memory.take<uint16_t>(queries * width);
  b.dOut = memory.take<uint16_t>(queries * width);
  b.probabilities = memory.take<uint16_t>(keyBlock * block);
  b.dScores = memory.take<uint16_t>(keyBlock * block);
  b.dScoresRight = memory.take<uint16_t>(4 * tileElements);
  b.scores = memory.take<float>(step * step);
  b.dProbabilities = memory.take<float>(step * step);
  b.dQueries = memory.take<float>(queries * width);
  b.dKeys = memory.take<float>(keyBlock * width);
  b.dValues = memory.take<float>(keyBlock * width);
  b.bias = memory.take<float>(keys);
  b.lse = memory.take<float>(queries);
  b.delta = memory.take<float>(queries);

  packRows(b.keys, k, lk, headDim, width);
  packRows(b.values, v, lk, headDim, width);
  for (int64_t row = 0; row < queries; row += step) {
    packRightTransposed(b.queriesTransposed + row * width, q, row, lq, headDim, width);
    packRightTransposed(b.dOutTransposed + row * width, dOut, row, lq, headDim, width);
    packRight(b.queries + row * width, q, row, lq, headDim, width);
    packRight(b.dOut + row * width, dOut, row, lq, headDim, width);
  }
  for (int64_t i = 0; i < queries; ++i) { // d score = p (d p - sum of dOut * out)
    b.lse[i] = i < lq ? lse[i] * log2e : 0.0f;
    b.delta[i] = i < lq ? dot(out.row(i), dOut.row(i), headDim) : 0.0f;
  }
  fillBias(b.bias, mask, lk);

  for (int64_t key = 0; key < keys; key += keyBlock) {
    const int64_t parts = std::min(keyBlock, keys - key) / step;
    for (int64_t part = 0; part < parts; ++part) {
      packTransposed(b.keysTransposed + part * step * width, k, key + part * step, lk, headDim,
                     width);
    }
    for (int64_t from = 0; from < queries; from += block) {
      const int64_t steps = std::min(block, queries - from) / step;
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t row = from + i * step;
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t first = key + part * step;
          MFM_MEMORY_FENCE();
          product({b.scores, step}, leftRows(b.keys, first, width),
                  tiles(b.queriesTransposed + row * width, 2), width / 32, true);
          product({b.dProbabilities, step}, leftRows(b.values, first, width),
                  tiles(b.dOutTransposed + row * width, 2), width / 32, true);
          MFM_MEMORY_FENCE();
          const int64_t at = part * step * block + i * step;
          gradientStep(b, b.bias + first, b.lse + row, b.delta + row, scale * log2e,
                       b.probabilities + at, b.dScores + at,
                       b.dScoresRight + part * 2 * tileElements);
        }
        MFM_MEMORY_FENCE();
        for (int64_t d = 0; d < width; d += 32) {
          product({b.dQueries + row * width + d * step, step},
                  tiles(b.keysTransposed + d / 16 * tileElements, width / 16),
                  tiles(b.dScoresRight, 2), parts, key == 0);
        }
      }
      MFM_MEMORY_FENCE();
      for (int64_t part = 0; part < parts; ++part) {
        for (int64_t d = 0; d < width; d += 32) {
          const int64_t at = from * width + d / 16 * tileElements, to = part * step * width + d;
          const auto left = [&](const uint16_t* m) { return leftRows(m, part * step, block); };
          product({b.dValues + to, width}, left(b.probabilities), tiles(b.dOut + at, width / 16),
                  steps, from == 0);
          product({b.dKeys + to, width}, left(b.dScores), tiles(b.queries + at, width / 16), steps,
                  from == 0);
        }
      }
      MFM_MEMORY_FENCE();
    }
    writeRows(dv, key, lk, headDim, width, b.dValues, 1.0f);
    writeRows(dk, key, lk, headDim, width, b.dKeys, scale);
  }
  alignas(64) float scales[step];
  std::fill(scales, scales + step, scale);
  for (int64_t row = 0; row < lq; row += step) {
    writeTransposed(dq, row, lq, headDim, b.dQueries + row * width, scales);
  }
}

} // namespace

static const TileKernels kernels = {forward, backward, configure, release};
