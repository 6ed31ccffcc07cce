// Products of convolutions by AMX. See conv-direct.inl.
//
// Pictures from pictures: a row of the left tile is a run of the source, from which `group`
// neighbouring pixels of the result are computed; the right tile holds the weights for each of
// them. With up to 8 channels two pixels share the 16 columns, so that few channels fill the units.
//
// Gradients of weights: the left tile has the channels of the result as rows, and 32 pixels as
// terms; the right one pairs of pixels as rows, and neighbouring terms of the source as columns.

namespace {

constexpr int64_t pairsAtOnce = 16; // terms of a tile

#include "tile-setup.inl"

// --- pictures from pictures

constexpr int64_t tilesAtOnce = 4, rowsAtOnce = 16 * tilesAtOnce;

// T tiles of sums, [T * 16][16], over runs; rowBytes: of the source between rows of tiles.
template <int T>
static void multiply(const Run* runs, int64_t count, int64_t first, int64_t rowBytes, float* sums) {
  MFM_MEMORY_FENCE();
  _tile_zero(0);
  if constexpr (T > 1) _tile_zero(1);
  if constexpr (T > 2) _tile_zero(2);
  if constexpr (T > 3) _tile_zero(3);
  for (const Run* run = runs; run < runs + count; ++run) {
    const char* left = reinterpret_cast<const char*>(run->source) + first * rowBytes;
    const uint16_t* right = run->weights;
    for (int64_t unit = run->units; unit > 0; unit -= 16, left += 64, right += 512) {
      _tile_loadd(6, right, 64);
      _tile_loadd(4, left, rowBytes);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (T > 1) {
        _tile_loadd(5, left + 16 * rowBytes, rowBytes);
        _tile_dpbf16ps(1, 5, 6);
      }
      if constexpr (T > 2) {
        _tile_loadd(4, left + 32 * rowBytes, rowBytes);
        _tile_dpbf16ps(2, 4, 6);
      }
      if constexpr (T > 3) {
        _tile_loadd(5, left + 48 * rowBytes, rowBytes);
        _tile_dpbf16ps(3, 5, 6);
      }
    }
  }
  _tile_stored(0, sums, 64);
  if constexpr (T > 1) _tile_stored(1, sums + 256, 64);
  if constexpr (T > 2) _tile_stored(2, sums + 512, 64);
  if constexpr (T > 3) _tile_stored(3, sums + 768, 64);
  MFM_MEMORY_FENCE();
}

template <int Group>
static void row(const Run* runs, int64_t count, int64_t n, int64_t step, const Sink& sink) {
  alignas(64) float sums[rowsAtOnce * 16];
  const __m512 bias = _mm512_load_ps(sink.bias);
  const __mmask16 mask = laneMask(std::min<int64_t>(sink.channels, 16 / Group));
  const int64_t rows = (n + Group - 1) / Group;
  for (int64_t first = 0; first < rows; first += rowsAtOnce) {
    const int64_t present = std::min(rowsAtOnce, rows - first), tiles = (present + 15) / 16;
    const auto product = tiles == 1   ? multiply<1>
                         : tiles == 2 ? multiply<2>
                         : tiles == 3 ? multiply<3>
                                      : multiply<4>;
    product(runs, count, first, Group * step, sums);
    for (int64_t i = 0; i < present; ++i) {
      const int64_t pixel = (first + i) * Group, at = pixel * sink.stride;
      const __m512 sum = _mm512_add_ps(_mm512_load_ps(sums + i * 16), bias);
      if (Group == 2 && pixel + 1 < n) putTwo(sink, at, at + sink.stride, mask, sum);
      else put(sink, at, mask, sum);
    }
  }
}

RowKernel rowKernel(const ConvPass& pass) { return pass.group == 2 ? row<2> : row<1>; }

// --- gradients of weights

// The channels of the result one after the other: [blocks * 16][2 * pairs].
void arrange(uint32_t* out, const uint16_t* row, int64_t pairs, const WeightPass& pass) {
  alignas(64) static const uint16_t order[32] = {0, 8,  16, 24, 1, 9,  17, 25, 2, 10, 18,
                                                 26, 3, 11, 19, 27, 4, 12, 20, 28, 5, 13,
                                                 21, 29, 6, 14, 22, 30, 7, 15, 23, 31};
  const __m512i byChannel = _mm512_load_si512(order);
  const int64_t channels = pass.sizes.outChannels, length = 2 * pairs;
  // 8 channels of 4 pixels from `pixel` on: [channel][pixel]
  const auto load = [&](int64_t pixel, int64_t channel) {
    const uint16_t* from = row + pixel * channels + channel;
    __m512i four = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)from));
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const __m128i*)(from + channels)), 1);
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const __m128i*)(from + 2 * channels)), 2);
    four = _mm512_inserti32x4(four, _mm_loadu_si128((const __m128i*)(from + 3 * channels)), 3);
    return _mm512_permutexvar_epi16(byChannel, four);
  };
  for (int64_t channel = 0; channel < channels; channel += 8) {
    uint16_t* planes = reinterpret_cast<uint16_t*>(out) + channel * length;
    for (int64_t pixel = 0; pixel < length; pixel += 8) {
      const __m512i one = load(pixel, channel), two = load(pixel + 4, channel);
      const __m512i even = _mm512_unpacklo_epi64(one, two), odd = _mm512_unpackhi_epi64(one, two);
      uint16_t* at = planes + pixel;
      _mm_store_si128((__m128i*)at, _mm512_castsi512_si128(even));
      _mm_store_si128((__m128i*)(at + length), _mm512_castsi512_si128(odd));
      _mm_store_si128((__m128i*)(at + 2 * length), _mm512_extracti32x4_epi32(even, 1));
      _mm_store_si128((__m128i*)(at + 3 * length), _mm512_extracti32x4_epi32(odd, 1));
      _mm_store_si128((__m128i*)(at + 4 * length), _mm512_extracti32x4_epi32(even, 2));
      _mm_store_si128((__m128i*)(at + 5 * length), _mm512_extracti32x4_epi32(odd, 2));
      _mm_store_si128((__m128i*)(at + 6 * length), _mm512_extracti32x4_epi32(even, 3));
      _mm_store_si128((__m128i*)(at + 7 * length), _mm512_extracti32x4_epi32(odd, 3));
    }
  }
}

// Adds the sums of the result's values per channel.
void addBias(const PairRow* rows, int64_t count, int64_t pairs, const WeightPass& pass,
             float* target) {
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
  for (int64_t channel = 0; channel < pass.sizes.outChannels; ++channel) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t* plane = rows[i].dy + channel * pairs;
      for (int64_t p = 0; p < pairs; p += 16) {
        sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_load_si512(plane + p), ones);
      }
    }
    target[channel] += _mm512_reduce_add_ps(sum);
  }
}

// Adds T tiles, [T][16 channels][16 terms], over rows.
template <int T>
static void addUnits(const PairRow* rows, int64_t count, int64_t unit, int64_t pairs, int64_t xStep,
                     int64_t, int64_t block, float* target) {
  MFM_MEMORY_FENCE();
  _tile_loadd(0, target, 64);
  if constexpr (T > 1) _tile_loadd(1, target + 256, 64);
  if constexpr (T > 2) _tile_loadd(2, target + 512, 64);
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t* x = rows[i].x + unit;
    const uint32_t* dy = rows[i].dy + block * 16 * pairs;
    for (int64_t p = 0; p < pairs; p += 16, x += 16 * xStep, dy += 16) {
      _tile_loadd(3, dy, pairs * 4);
      _tile_loadd(4, x, xStep * 4);
      _tile_dpbf16ps(0, 3, 4);
      if constexpr (T > 1) {
        _tile_loadd(5, x + 16, xStep * 4);
        _tile_dpbf16ps(1, 3, 5);
      }
      if constexpr (T > 2) {
        _tile_loadd(6, x + 32, xStep * 4);
        _tile_dpbf16ps(2, 3, 6);
      }
    }
  }
  _tile_stored(0, target, 64);
  if constexpr (T > 1) _tile_stored(1, target + 256, 64);
  if constexpr (T > 2) _tile_stored(2, target + 512, 64);
  MFM_MEMORY_FENCE();
}

UnitKernel unitKernel(const WeightPass& pass) {
  return pass.chunk == 16 ? addUnits<1> : pass.chunk == 32 ? addUnits<2> : addUnits<3>;
}

} // namespace
