// Direct convolutions. The values of neighbouring pixels lie side by side, so the terms that a row
// of weights takes from a picture are one run of memory. Rows are copied to scratch memory first,
// where zeros surround them.
//
// Included once per instruction set, inside its namespace and target region, hence no include
// guard. MFM_PRODUCTS names the file that computes the products.

namespace {

// --- elementwise

// e^-x with a relative error of 1e-4, a twentieth of half a unit in bfloat16's last place.
MFM_INLINE __m512 inverseExponential(__m512 x) {
  const __m512 power = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504088896341f));
  const __m512 f = _mm512_reduce_ps(power, 1); // power - floor(power)
  __m512 p = _mm512_set1_ps(0.078967257042f); // interpolates 2^f at Chebyshev nodes
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.224693155764f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.696324771092f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999900288173f));
  return _mm512_scalef_ps(p, power); // p * 2^floor(power)
}
MFM_INLINE __m512 sigmoid(__m512 x) {
  return _mm512_rcp14_ps(_mm512_add_ps(inverseExponential(x), _mm512_set1_ps(1.0f)));
}

MFM_INLINE __m512 widen(__m256i half) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
MFM_INLINE __m256i narrow(__m512 value) { return (__m256i)_mm512_cvtneps_pbh(value); }

// Copies a run of a plane's values.
void copyRun(uint16_t* out, const Plane& plane, int64_t at, int64_t count) {
  if (!plane.slopes) {
    std::memcpy(out, plane.values + at, count * sizeof(uint16_t));
    return;
  }
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 inside = count - i >= 16 ? 0xffff : (1u << (count - i)) - 1;
    const __m512 slope = widen(_mm256_maskz_loadu_epi16(inside, plane.slopes + at + i));
    const __m512 y = widen(_mm256_maskz_loadu_epi16(inside, plane.values + at + i));
    // writes up to 15 elements beyond the run, which are overwritten afterwards
    _mm256_storeu_si256((__m256i*)(out + i), narrow(_mm512_mul_ps(y, slope)));
  }
}

// --- rows in scratch memory

constexpr int64_t slack = 64; // elements after a row that may be read, and are zero

// A rectangle of a picture.
struct Window {
  int64_t row, rows, column, columns;

  int64_t rowElements(int64_t channels) const {
    return (columns * channels + slack + 31) / 32 * 32;
  }
};

// Copies columns of a row; zero outside of the picture.
void copyRow(uint16_t* out, const Plane& plane, int64_t row, const Window& window,
             const ConvPass::Side& side) {
  const int64_t c = side.channels;
  const int64_t first = std::max<int64_t>(0, window.column);
  const int64_t end = std::max(first, std::min(side.width, window.column + window.columns));
  const int64_t lead = (first - window.column) * c, count = (end - first) * c;
  std::memset(out, 0, lead * sizeof(uint16_t));
  copyRun(out + lead, plane, (row * side.width + first) * c, count);
  std::memset(out + lead + count, 0,
              (window.rowElements(c) - lead - count) * sizeof(uint16_t));
}

// Copies the window of a plane, row by row; rows outside of the picture are left out.
void copyWindow(uint16_t* out, const Plane& plane, const Window& window,
                const ConvPass::Side& side) {
  for (int64_t i = 0; i < window.rows; ++i) {
    const int64_t row = window.row + i;
    if (row < 0 || row >= side.height) continue;
    copyRow(out + i * window.rowElements(side.channels), plane, row, window, side);
  }
}

// Fetches what the band below this one will be computed from into the cache, a little with every
// step of this one. (After the last band of a picture that is usually the next picture.)
class Ahead {
public:
  // `steps`: how often `step` will be called
  Ahead(const Window& window, int64_t rows, const ConvPass::Side& side, int64_t steps)
      : first_((window.row + window.rows) * side.width + std::max<int64_t>(0, window.column)),
        stride_(side.width * side.channels), rows_(rows),
        bytes_(std::min(window.columns, side.width) * side.channels * 2), steps_(steps) {
    first_ *= side.channels;
  }
  void add(const Plane& plane) {
    if (count_ + 2 > most) return;
    starts_[count_++] = plane.values;
    if (plane.slopes) starts_[count_++] = plane.slopes;
  }
  void step() {
    const int64_t all = count_ * rows_, end = std::min(all, (++done_ * all + steps_ - 1) / steps_);
    for (; next_ < end; ++next_) {
      const char* row = reinterpret_cast<const char*>(starts_[next_ / rows_] + first_ +
                                                      next_ % rows_ * stride_);
      for (int64_t i = 0; i < bytes_; i += 64) _mm_prefetch(row + i, _MM_HINT_T1);
    }
  }

private:
  static constexpr int most = 8;
  const uint16_t* starts_[most];
  int64_t first_, stride_, rows_, bytes_, steps_, count_ = 0, next_ = 0, done_ = 0;
};

// --- pictures from pictures

// A run of the source and the weights of its terms.
struct Run {
  const uint16_t* source;
  const uint16_t* weights;
  int64_t units;
};

// Where the results of a row of pixels go.
struct Sink {
  uint16_t *values, *slopes; // `slopes` may be null
  int64_t stride;            // elements between pixels
  int64_t channels;          // of these vectors
  const float* bias;
  bool silu;
};

MFM_INLINE __mmask16 laneMask(int64_t channels) {
  return channels >= 16 ? 0xffff : (1u << std::max<int64_t>(0, channels)) - 1;
}

// Stores the channels of a pixel in `mask`.
MFM_INLINE void store(uint16_t* at, __mmask16 mask, __m256i half) {
  if (mask == 0xffff) _mm256_storeu_si256((__m256i*)at, half); // masks make stores slower
  else _mm256_mask_storeu_epi16(at, mask, half);
}
// The same for two pixels of up to 8 channels.
MFM_INLINE void store(uint16_t* at, uint16_t* next, __mmask8 mask, __m256i half) {
  const __m128i first = _mm256_castsi256_si128(half), second = _mm256_extracti128_si256(half, 1);
  if (mask == 0xff) {
    _mm_storeu_si128((__m128i*)at, first);
    _mm_storeu_si128((__m128i*)next, second);
  } else {
    _mm_mask_storeu_epi16(at, mask, first);
    _mm_mask_storeu_epi16(next, mask, second);
  }
}

// The results for sums, and the slopes of the activation there.
struct Results {
  __m256i values, slopes;
};
MFM_INLINE Results resultsOf(const Sink& sink, __m512 sum) {
  if (!sink.silu) return {narrow(sum), _mm256_setzero_si256()};
  const __m512 s = sigmoid(sum), y = _mm512_mul_ps(sum, s);
  return {narrow(y), narrow(_mm512_fnmadd_ps(y, s, _mm512_add_ps(y, s)))}; // s (1 + sum (1 - s))
}
MFM_INLINE void put(const Sink& sink, int64_t at, __mmask16 mask, __m512 sum) {
  const Results out = resultsOf(sink, sum);
  store(sink.values + at, mask, out.values);
  if (sink.slopes) store(sink.slopes + at, mask, out.slopes);
}
MFM_INLINE void putTwo(const Sink& sink, int64_t at, int64_t next, __mmask8 mask, __m512 sum) {
  const Results out = resultsOf(sink, sum);
  store(sink.values + at, sink.values + next, mask, out.values);
  if (sink.slopes) store(sink.slopes + at, sink.slopes + next, mask, out.slopes);
}

// Computes a row of pixels from `count` runs: (runs, count, pixels, bytes between pixels, sink).
using RowKernel = void (*)(const Run*, int64_t, int64_t, int64_t, const Sink&);

// A row of both factors of the gradient of weights.
struct PairRow {
  const uint32_t *x, *dy;
};
// Adds the products of rows to sums, for some units: (rows, count, unit, pairs, elements of x
// between pairs, those of dy, block, sums).
using UnitKernel = void (*)(const PairRow*, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                            float*);

} // namespace
#include MFM_PRODUCTS
namespace {

// The positions of the source that results [from, from + count) are computed from.
struct Range {
  int64_t from, count;
};
Range sourceOf(const ConvPass& pass, int64_t from, int64_t count) {
  const int64_t each = pass.phases.size();
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (int64_t i = from; i < from + count; ++i) {
    const ConvPass::Phase& phase = pass.phases[i % each];
    const int64_t taps = phase.taps.size(), start = i / each * pass.step + phase.offset;
    if (taps == 0) continue;
    low = std::min(low, start);
    high = std::max(high, start + taps);
  }
  return low > high ? Range{0, 0} : Range{low, high - low};
}

void convolve(const ConvPass& pass, const Tap* taps, int64_t count, uint16_t* y, uint16_t* slopes,
              const Band& band) {
  const int64_t c = pass.from.channels, each = pass.phases.size();
  const Range rows = sourceOf(pass, band.row, band.rows);
  const Range columns = sourceOf(pass, band.column, band.columns);
  const Window window{rows.from, rows.count, columns.from, columns.count};
  const int64_t rowElements = window.rowElements(c), planeElements = rows.count * rowElements;

  Scratch& memory = scratch();
  // tiles may reach beyond the last row, where only results that are not kept come from
  const int64_t copied = count * planeElements + 16 * pass.group * pass.step * c;
  memory.reserve(Scratch::bytesFor<uint16_t>(copied) + Scratch::bytesFor<Run>(count * pass.kernel));
  uint16_t* copies = memory.take<uint16_t>(copied);
  Run* runs = memory.take<Run>(count * pass.kernel);
  for (int64_t t = 0; t < count; ++t) {
    copyWindow(copies + t * planeElements, taps[t].plane, window, pass.from);
  }

  Ahead ahead(window, (band.rows * pass.step + each - 1) / each, pass.from,
              pass.blocks * band.rows * each);
  for (int64_t t = 0; t < count; ++t) ahead.add(taps[t].plane);
  const RowKernel kernel = rowKernel(pass);
  configure();
  const int64_t wide = pass.vectors * 16;
  for (int64_t block = 0; block < pass.blocks; ++block) {
    for (int64_t i = band.row; i < band.row + band.rows; ++i) {
      const ConvPass::Phase& rowPhase = pass.phases[i % each];
      const int64_t firstRow = i / each * pass.step + rowPhase.offset;
      for (int64_t b = 0; b < each && b < band.columns; ++b) {
        const ConvPass::Phase& phase = pass.phases[b];
        const int64_t start = band.column / each * pass.step + phase.offset - columns.from;
        const int64_t unitElements = wide * 2;
        int64_t used = 0;
        for (int64_t t = 0; t < count && phase.units > 0; ++t) {
          for (size_t j = 0; j < rowPhase.taps.size(); ++j) {
            const int64_t source = firstRow + static_cast<int64_t>(j);
            if (source < 0 || source >= pass.from.height) continue;
            const int64_t weightRow =
                (taps[t].index * pass.kernel + rowPhase.taps[j]) * pass.blocks + block;
            runs[used++] = {copies + t * planeElements + (source - rows.from) * rowElements +
                                start * c,
                            pass.weights.data() + pass.phaseStart[b] +
                                weightRow * phase.units * unitElements,
                            phase.units};
          }
        }
        const int64_t at =
            (i * pass.to.width + band.column + b) * pass.to.channels + block * wide;
        const Sink sink{y + at, slopes ? slopes + at : nullptr, each * pass.to.channels,
                        pass.to.channels - block * wide, pass.bias.data() + block * wide,
                        pass.silu};
        ahead.step();
        kernel(runs, used, (band.columns - b + each - 1) / each, pass.step * c * 2, sink);
      }
    }
  }
  release();
}

// --- gradients of weights

// out[i] = (row[i], row[i + distance]) as pairs
void pairUp(uint32_t* out, const uint16_t* row, int64_t distance, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const __m512i first = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(row + i)));
    const __m512i second =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(row + i + distance)));
    _mm512_storeu_si512(out + i, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
  }
}

void addWeights(const WeightPass& pass, const Tap* taps, int64_t count, const Plane& dy,
                const Band& band, float* sums) {
  const ConvSizes& s = pass.sizes;
  const int64_t c = s.inChannels, wide = pass.vectors * 16, all = pass.blocks * wide;
  const int64_t pairs = (band.columns + 2 * pairsAtOnce - 1) / (2 * pairsAtOnce) * pairsAtOnce;
  const Window result{band.row, band.rows, band.column, 2 * pairs};
  const Window source{band.row * s.stride - s.pad, (band.rows - 1) * s.stride + s.kernel,
                      band.column * s.stride - s.pad, (2 * pairs - 1) * s.stride + s.kernel};
  const ConvPass::Side from{c, s.inHeight, s.inWidth};
  const ConvPass::Side to{s.outChannels, s.outHeight, s.outWidth};
  // a row's pairs; a pair's second value comes from the next pixel of the result
  const int64_t xCount = (source.columns - s.stride) * c;
  const int64_t xElements = (xCount + slack + 15) / 16 * 16, dyElements = pairs * all;
  const int64_t line = std::max(source.rowElements(c) + s.stride * c, result.rowElements(to.channels));

  Scratch& memory = scratch();
  memory.reserve(Scratch::bytesFor<uint32_t>(count * source.rows * xElements) +
                 Scratch::bytesFor<uint32_t>(result.rows * dyElements) +
                 Scratch::bytesFor<uint16_t>(line + slack) +
                 Scratch::bytesFor<PairRow>(result.rows));
  uint32_t* xPairs = memory.take<uint32_t>(count * source.rows * xElements);
  uint32_t* dyPairs = memory.take<uint32_t>(result.rows * dyElements);
  uint16_t* copy = memory.take<uint16_t>(line + slack);
  PairRow* rows = memory.take<PairRow>(result.rows);
  std::memset(copy, 0, (line + slack) * sizeof(uint16_t));
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t i = 0; i < source.rows; ++i) {
      const int64_t row = source.row + i;
      if (row < 0 || row >= from.height) continue;
      copyRow(copy, taps[t].plane, row, source, from);
      uint32_t* out = xPairs + (t * source.rows + i) * xElements;
      pairUp(out, copy, s.stride * c, xCount);
      std::memset(out + xCount, 0, (xElements - xCount) * sizeof(uint32_t));
    }
  }
  for (int64_t i = 0; i < result.rows; ++i) {
    copyRow(copy, dy, result.row + i, result, to);
    arrange(dyPairs + i * dyElements, copy, pairs, pass);
    rows[i] = {nullptr, dyPairs + i * dyElements};
  }
  addBias(rows, result.rows, pairs, pass, sums + pass.weightSize());

  const int64_t steps = count * s.kernel * pass.blocks * (pass.units / pass.chunk);
  Ahead xAhead(source, band.rows * s.stride, from, steps), dyAhead(result, band.rows, to, steps);
  for (int64_t t = 0; t < count; ++t) xAhead.add(taps[t].plane);
  dyAhead.add(dy);
  const UnitKernel kernel = unitKernel(pass);
  configure();
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t k = 0; k < s.kernel; ++k) {
      int64_t used = 0;
      for (int64_t i = 0; i < result.rows; ++i) {
        const int64_t at = i * s.stride + k, row = source.row + at;
        if (row < 0 || row >= from.height) continue;
        rows[used++] = {xPairs + (t * source.rows + at) * xElements, dyPairs + i * dyElements};
      }
      for (int64_t block = 0; block < pass.blocks; ++block) {
        float* target = sums + ((taps[t].index * s.kernel + k) * pass.blocks + block) * pass.units *
                                   wide;
        for (int64_t unit = 0; unit < pass.units; unit += pass.chunk) {
          xAhead.step();
          dyAhead.step();
          kernel(rows, used, unit, pairs, 2 * s.stride * c, all, block, target + unit * wide);
        }
      }
    }
  }
  release();
}

// --- layouts

void interleave(const uint16_t* x, uint16_t* y, int64_t pixels, int64_t channels, int64_t plane) {
  int64_t p = 0;
  // every pixel is stored as 8 channels; the next one overwrites what it has not
  for (; (p + 15) * channels + 8 <= pixels * channels; p += 16) {
    __m512i pairs[4]; // of channels, for 16 pixels
    for (int64_t i = 0; i < 4; ++i) {
      const auto load = [&](int64_t c) {
        return c < channels ? _mm512_cvtepu16_epi32(
                                  _mm256_loadu_si256((const __m256i*)(x + c * plane + p)))
                            : _mm512_setzero_si512();
      };
      pairs[i] = _mm512_or_si512(load(2 * i), _mm512_slli_epi32(load(2 * i + 1), 16));
    }
    const __m512i low01 = _mm512_unpacklo_epi32(pairs[0], pairs[1]);
    const __m512i high01 = _mm512_unpackhi_epi32(pairs[0], pairs[1]);
    const __m512i low23 = _mm512_unpacklo_epi32(pairs[2], pairs[3]);
    const __m512i high23 = _mm512_unpackhi_epi32(pairs[2], pairs[3]);
    // quarter j of columns[i] is pixel 4 j + i
    const __m512i columns[4] = {
        _mm512_unpacklo_epi64(low01, low23), _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23), _mm512_unpackhi_epi64(high01, high23)};
    alignas(64) uint16_t out[4][32];
    for (int64_t i = 0; i < 4; ++i) _mm512_store_si512(out[i], columns[i]);
    for (int64_t i = 0; i < 16; ++i) {
      _mm_storeu_si128((__m128i*)(y + (p + i) * channels),
                       _mm_load_si128((const __m128i*)(out[i % 4] + i / 4 * 8)));
    }
  }
  for (; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) y[p * channels + c] = x[c * plane + p];
  }
}

constexpr ConvKernels convolutions = {convolve, addWeights, interleave};

} // namespace
