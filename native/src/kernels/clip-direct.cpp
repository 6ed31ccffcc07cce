// Which frame is computed from which, and the division of clips among threads.
#include "clip-direct.h"

#include <atomic>

#include "conv-direct.h"
#include "isa.h"

namespace mfm::kernels {
namespace {

// Sums over bands are accumulated in this many lanes; the bands of a lane are added one after the
// other on one thread. The number is fixed, so that results do not depend on the number of threads.
constexpr int64_t maxLanes = 16;

// A frame of the result is computed from this frame, weighted with this tap of `tapsOf`.
struct Link {
  bool past;
  int64_t from, to, tap;
};

// Does the first frame stand for those before the clip? Then its taps are added up beforehand.
bool repeatsFirst(const Tensor& x, const Tensor& past, const Tensor& weight, const ClipPath& path) {
  return !path.halve && weight.size(2) == 3 && !past.defined();
}

// The taps in use, bfloat16: with a repeated first frame, taps 0 to 2, the sum of the first two,
// and the sum of all; for a single frame the latter alone.
Tensor tapsOf(const Tensor& x, const Tensor& past, const Tensor& weight, const ClipPath& path) {
  if (!repeatsFirst(x, past, weight, path)) return weight.contiguous();
  const auto sum = [&](int64_t count) {
    return weight.narrow(2, 0, count).to(at::kFloat).sum(2, true).to(at::kBFloat16);
  };
  if (x.size(0) == 1) return sum(3).contiguous();
  return at::cat({weight, sum(2), sum(3)}, 2).contiguous();
}

// The gradient of the weights from that of tapsOf.
Tensor weightGradient(const Tensor& x, const Tensor& past, const Tensor& weight,
                      const ClipPath& path, const Tensor& taps) {
  if (!repeatsFirst(x, past, weight, path)) return taps;
  if (x.size(0) == 1) return taps.expand(weight.sizes()).contiguous();
  const Tensor out = taps.narrow(2, 0, 3) + taps.narrow(2, 4, 1);
  out.narrow(2, 0, 2).add_(taps.narrow(2, 3, 1));
  return out;
}

std::vector<Link> linksOf(const Tensor& x, const Tensor& past, const Tensor& weight,
                          const ClipPath& path) {
  const int64_t frames = x.size(0), taps = weight.size(2);
  std::vector<Link> links;
  if (repeatsFirst(x, past, weight, path)) {
    if (frames == 1) return {{false, 0, 0, 0}};
    links = {{false, 0, 0, 4}, {false, 0, 1, 3}, {false, 1, 1, 2}};
    for (int64_t to = 2; to < frames; ++to) {
      for (int64_t tap = 0; tap < 3; ++tap) links.push_back({false, to - 2 + tap, to, tap});
    }
    return links;
  }
  const int64_t results = path.halve ? (frames + 1) / 2 : frames;
  const int64_t before = path.halve ? 1 : taps - 1;
  for (int64_t to = 0; to < results; ++to) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t from = (path.halve ? 2 * to : to) - before + tap;
      if (from < 0 && past.defined()) links.push_back({true, from + before, to, tap});
      if (from >= 0 && from < frames) links.push_back({false, from, to, tap});
    }
  }
  return links;
}

ConvSizes sizesOf(const Tensor& x, const Tensor& taps, const Tensor& y, const ClipPath& path) {
  return {x.size(2),    x.size(3),    x.size(4),   y.size(2),  y.size(3), y.size(4),
          taps.size(2), taps.size(3), path.stride, path.pad};
}

// The picture (frame, sample) of a clip.
uint16_t* picture(const Tensor& clip, int64_t frame, int64_t sample) {
  const int64_t elements = clip.size(2) * clip.size(3) * clip.size(4);
  return data<uint16_t>(clip) + (frame * clip.size(1) + sample) * elements;
}
Plane planeOf(const Tensor& clip, const Tensor& slopes, int64_t frame, int64_t sample) {
  return {picture(clip, frame, sample),
          slopes.defined() ? picture(slopes, frame, sample) : nullptr};
}

// Calls body(item) for every item; threads take the next one as soon as they are free.
template <class Body> void eachItem(int64_t items, const Body& body) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(items, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t item; (item = next++) < items;) body(item);
  });
}

// The bands of all pictures of a clip.
struct Bands {
  int64_t height, width, frames, samples;
  Band size;
  int64_t down, across;

  Bands(const Tensor& clip, const Band& size)
      : height(clip.size(3)), width(clip.size(4)), frames(clip.size(0)), samples(clip.size(1)),
        size(size), down((height + size.rows - 1) / size.rows),
        across((width + size.columns - 1) / size.columns) {}

  int64_t count() const { return frames * samples * down * across; }
  int64_t frame(int64_t i) const { return i / (down * across) / samples; }
  int64_t sample(int64_t i) const { return i / (down * across) % samples; }
  Band band(int64_t i) const {
    const int64_t row = i / across % down * size.rows, column = i % across * size.columns;
    return {row, std::min(size.rows, height - row), column, std::min(size.columns, width - column)};
  }
};

// Computes every picture of `to` from those of `first` and `second` that `taps` names for its frame.
template <class TapsOf>
void computeClip(const ConvPass& pass, const Tensor& to, const Tensor& slopes,
                 const TapsOf& tapsOf) {
  const Bands bands(to, pass.band());
  // several in turn: while a band is computed, the memory of the next one is fetched
  const int64_t count = bands.count();
  const int64_t run = std::max<int64_t>(1, count / (16 * at::get_num_threads()));
  eachItem((count + run - 1) / run, [&](int64_t item) {
    for (int64_t i = item * run; i < std::min(count, (item + 1) * run); ++i) {
      const int64_t frame = bands.frame(i), sample = bands.sample(i);
      const std::vector<Tap> taps = tapsOf(frame, sample);
      convKernels()->convolve(pass, taps.data(), taps.size(), picture(to, frame, sample),
                              slopes.defined() ? picture(slopes, frame, sample) : nullptr,
                              bands.band(i));
    }
  });
}

// Measured against oneDNN, which has the lead where there are many channels: without matrix units,
// where weights fill the second-level cache.
bool isFaster(const Tensor& weight) {
  if (hasAmx()) return weight.size(0) * weight.size(1) <= 2048;
  return weight.numel() <= 1 << 17;
}

// Is it of a few channels, each a plane without gaps? LibTorch copies such element by element.
bool isPlanar(const Tensor& clip) {
  return clip.device().is_cpu() && clip.scalar_type() == at::kBFloat16 && convKernels() &&
         clip.size(2) > 1 && clip.size(2) <= 8 && clip.stride(4) == 1 &&
         clip.stride(3) == clip.size(4);
}

} // namespace

Tensor channelsLast(const Tensor& clip) {
  const Tensor pixels = clip.permute({0, 1, 3, 4, 2});
  if (pixels.is_contiguous()) return clip;
  if (!isPlanar(clip)) return pixels.contiguous().permute({0, 1, 4, 2, 3});
  const Tensor out = at::empty(pixels.sizes(), clip.options()).permute({0, 1, 4, 2, 3});
  const int64_t samples = clip.size(1);
  at::parallel_for(0, clip.size(0) * samples, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t frame = i / samples, sample = i % samples;
      convKernels()->interleave(
          data<uint16_t>(clip) + frame * clip.stride(0) + sample * clip.stride(1),
          picture(out, frame, sample), clip.size(3) * clip.size(4), clip.size(2), clip.stride(2));
    }
  });
  return out;
}

bool convolvesDirectly(const Tensor& x, const Tensor& weight) {
  return x.device().is_cpu() && x.scalar_type() == at::kBFloat16 && convKernels() != nullptr &&
         weight.scalar_type() == at::kBFloat16 && isFaster(weight);
}

void directForward(const Tensor& x, const Tensor& past, const Tensor& weight,
                   const OptionalTensor& bias, const ClipPath& path, bool silu, const Tensor& y,
                   const Tensor& slopes) {
  const Tensor weights = tapsOf(x, past, weight, path);
  const Tensor offsets = bias.has_value() ? floats(*bias) : Tensor();
  const ConvPass pass =
      ConvPass::forward(sizesOf(x, weights, y, path), data<uint16_t>(weights),
                        offsets.defined() ? data<float>(offsets) : nullptr, silu);
  const auto links = linksOf(x, past, weight, path);
  computeClip(pass, y, slopes, [&](int64_t frame, int64_t sample) {
    std::vector<Tap> taps;
    for (const Link& link : links) {
      if (link.to != frame) continue;
      taps.push_back({planeOf(link.past ? past : x, Tensor(), link.from, sample), link.tap});
    }
    return taps;
  });
}

void directBackward(const Tensor& x, const Tensor& past, const Tensor& weight, const Tensor& dy,
                    const Tensor& slopes, const ClipPath& path, DirectGradients& out) {
  const Tensor weights = tapsOf(x, past, weight, path);
  const ConvSizes sizes = sizesOf(x, weights, dy, path);
  const auto links = linksOf(x, past, weight, path);
  if (out.x.defined() || out.past.defined()) {
    const ConvPass pass = ConvPass::toInput(sizes, data<uint16_t>(weights));
    for (const bool isPast : {false, true}) {
      const Tensor& dx = isPast ? out.past : out.x;
      if (!dx.defined()) continue;
      computeClip(pass, dx, Tensor(), [&](int64_t frame, int64_t sample) {
        std::vector<Tap> taps;
        for (const Link& link : links) {
          if (link.past != isPast || link.from != frame) continue;
          taps.push_back({planeOf(dy, slopes, link.to, sample), link.tap});
        }
        return taps;
      });
    }
  }
  if (!out.wantsWeight && !out.wantsBias) return;

  const WeightPass pass(sizes);
  const Bands bands(dy, pass.band());
  const int64_t count = bands.count(), lanes = std::min(count, maxLanes);
  const Tensor sums = at::zeros({lanes, pass.size()}, at::kFloat);
  eachItem(lanes, [&](int64_t lane) {
    std::vector<Tap> taps;
    for (int64_t i = lane * count / lanes; i < (lane + 1) * count / lanes; ++i) {
      const int64_t frame = bands.frame(i), sample = bands.sample(i);
      taps.clear();
      for (const Link& link : links) {
        if (link.to != frame || !out.wantsWeight) continue;
        taps.push_back({planeOf(link.past ? past : x, Tensor(), link.from, sample), link.tap});
      }
      convKernels()->addWeights(pass, taps.data(), taps.size(), planeOf(dy, slopes, frame, sample),
                                bands.band(i), data<float>(sums) + lane * pass.size());
    }
  });
  const Tensor total = sums.sum(0);
  const Tensor perTap = at::empty(weights.sizes(), at::kFloat);
  out.bias = at::empty({weight.size(0)}, at::kFloat);
  pass.unpack(data<float>(total), data<float>(perTap), data<float>(out.bias));
  out.weight = weightGradient(x, past, weight, path, perTap);
}

} // namespace mfm::kernels
