// mfm::clip_norm: group normalisation of a clip over frames, height, width and the channels of a
// group, then optionally * `scale` + `shift`, both resized to the clip by nearest neighbour, and
// SiLU; and its gradient. Clips are [T, B, C, H, W] with every frame channels-last; scale and shift
// [t, B, C, h, w].
#include "clip.h"
#include "operators.h"

namespace mfm::kernels {
namespace {

/** The same tensor with its memory in the order [T, B, H, W, C]. */
Tensor channelsLast(const Tensor& x) {
  return x.permute({0, 1, 3, 4, 2}).contiguous().permute({0, 1, 4, 2, 3});
}

Tensor likeClip(const Tensor& x, at::ScalarType type) {
  const auto s = x.sizes();
  return at::empty({s[0], s[1], s[3], s[4], s[2]}, x.options().dtype(type)).permute({0, 1, 4, 2, 3});
}

// The division into work items ("pieces"): one piece has all pixels of an item that belong to one
// row of the low-resolution grid [t, B, h], so no two pieces add to the same gradient of scale and
// shift.
struct Grid {
  int64_t T, B, C, H, W, t, h, w;
  bool modulated;

  Grid(const Tensor& x, const Tensor& scale)
      : T(x.size(0)), B(x.size(1)), C(x.size(2)), H(x.size(3)), W(x.size(4)), t(T), h(1), w(1),
        modulated(scale.defined()) {
    constexpr int64_t pixels = 256; // per piece without modulation, to fit the L1 cache
    if (modulated) t = scale.size(0), h = scale.size(3), w = scale.size(4);
    else h = std::max<int64_t>(1, std::min(H, H * W / pixels));
  }

  int64_t pieces() const { return t * B * h; }

  static int64_t first(int64_t i, int64_t low, int64_t high) { return (i * high + low - 1) / low; }
  // if the number of frames is odd, the first one is kept apart
  int64_t firstFrame(int64_t i) const {
    if (T == 1 || T % 2 == 0 || t == T) return first(i, t, T);
    return i == 0 ? 0 : 1 + first(i - 1, t - 1, T - 1);
  }

  // Calls body(first pixel, pixels, low-resolution pixel) for the runs of a piece.
  template <class Body> void runs(int64_t piece, const Body& body) const {
    const int64_t row = piece % h, item = piece / h % B, frame = piece / h / B;
    const int64_t y0 = first(row, h, H), y1 = first(row + 1, h, H);
    for (int64_t f = firstFrame(frame), end = firstFrame(frame + 1); f < end; ++f) {
      const int64_t start = (f * B + item) * H;
      if (!modulated) {
        body((start + y0) * W, (y1 - y0) * W, 0);
        continue;
      }
      for (int64_t y = y0; y < y1; ++y) {
        for (int64_t u = 0; u < w; ++u) {
          const int64_t x0 = first(u, w, W), x1 = first(u + 1, w, W);
          if (x1 > x0) body((start + y) * W + x0, x1 - x0, piece * w + u);
        }
      }
    }
  }

  template <class Body> void parallel(const Body& body) const {
    parallelPieces(pieces(), T * H * W / std::max<int64_t>(1, t * h) * C, [&](int64_t a, int64_t b) {
      for (int64_t piece = a; piece < b; ++piece) body(piece, piece / h % B);
    });
  }
};

struct Statistics {
  Tensor mean, rstd; // [B, G] float32
};

Statistics statistics(const Tensor& x, int64_t groups, double eps) {
  const Grid grid(x, Tensor());
  const Tensor means = at::empty({grid.pieces(), 2, grid.C}, at::kFloat);
  const Tensor counts = at::empty({grid.pieces()}, at::kDouble);
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    grid.parallel([&](int64_t piece, int64_t) {
      float* mean = data<float>(means) + piece * 2 * grid.C;
      grid.runs(piece, [&](int64_t at, int64_t pixels, int64_t) {
        clips<T>().moments(data<T>(x) + at * grid.C, pixels, grid.C, mean, mean + grid.C);
        data<double>(counts)[piece] = pixels;
      });
    });
  });
  // combines the pieces' moments to those of whole groups, in double. Source: Chan et al. 1979
  const int64_t width = grid.C / groups;
  const Tensor all = means.to(at::kDouble).view({grid.t, grid.B, grid.h, 2, groups, width});
  const Tensor part = all.select(3, 0), spread = all.select(3, 1); // [t, B, h, G, C/G]
  const Tensor n = counts.view({grid.t, grid.B, grid.h, 1, 1});
  const double total = static_cast<double>(grid.T * grid.H * grid.W * width);
  const Tensor mean = (part * n).sum(at::IntArrayRef{0, 2, 4}, true) / total;
  const Tensor variance = (spread + (part - mean).square() * n).sum(at::IntArrayRef{0, 2, 4}) / total;
  return {mean.view({grid.B, groups}).to(at::kFloat), (variance + eps).rsqrt().to(at::kFloat)};
}

// Per item and channel: z = x * a + d, both [B, C] float32.
struct Line {
  Tensor a, d;
};

Tensor perChannel(const Tensor& perGroup, int64_t c) {
  return perGroup.repeat_interleave(c / perGroup.size(1), 1);
}

Line line(const Statistics& s, const Tensor& weight, const Tensor& bias) {
  const int64_t c = weight.numel();
  const Tensor a = perChannel(s.rstd, c) * weight.to(at::kFloat);
  return {a.contiguous(), (bias.to(at::kFloat) - perChannel(s.mean, c) * a).contiguous()};
}

template <class T> const T* pixelRow(const Tensor& t, int64_t pixel, int64_t c) {
  return t.defined() ? data<T>(t) + pixel * c : nullptr;
}

Tensor normalized(const Tensor& x, const Line& z, const Tensor& scale, const Tensor& shift,
                  bool silu) {
  const Grid grid(x, scale);
  Tensor y = likeClip(x, x.scalar_type());
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    grid.parallel([&](int64_t piece, int64_t item) {
      const float *a = data<float>(z.a) + item * grid.C, *d = data<float>(z.d) + item * grid.C;
      grid.runs(piece, [&](int64_t at, int64_t pixels, int64_t low) {
        clips<T>().forward(data<T>(x) + at * grid.C, data<T>(y) + at * grid.C, pixels, grid.C, a, d,
                           pixelRow<T>(scale, low, grid.C), pixelRow<T>(shift, low, grid.C), silu);
      });
    });
  });
  return y;
}

variable_list gradients(const Tensor& x, const Tensor& dy, const Statistics& s,
                        const Tensor& weight, const Tensor& bias, const Tensor& scale,
                        const Tensor& shift, bool silu) {
  const Grid grid(x, scale);
  const int64_t c = grid.C, groups = s.mean.size(1), width = c / groups;
  const Line z = line(s, weight, bias);
  const Tensor sums = at::zeros({grid.pieces(), 2, c}, at::kFloat);
  // [t, B, h, w, 2, C]
  const Tensor low = at::zeros({scale.defined() ? grid.pieces() * grid.w : 0, 2, c}, at::kFloat);
  Tensor dx = likeClip(x, x.scalar_type());
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    grid.parallel([&](int64_t piece, int64_t item) {
      const float *a = data<float>(z.a) + item * c, *d = data<float>(z.d) + item * c;
      float* sum = data<float>(sums) + piece * 2 * c;
      grid.runs(piece, [&](int64_t at, int64_t pixels, int64_t pixel) {
        float* lowSum = grid.modulated ? data<float>(low) + pixel * 2 * c : nullptr;
        clips<T>().sums(data<T>(x) + at * c, data<T>(dy) + at * c, pixels, c, a, d,
                        pixelRow<T>(scale, pixel, c), pixelRow<T>(shift, pixel, c), silu, sum,
                        sum + c, lowSum, lowSum ? lowSum + c : nullptr);
      });
    });

    // from sums of dz and dz * x, computes those of dz * w and dz * w * xhat over each group
    const Tensor total = sums.to(at::kDouble).view({grid.t, grid.B, grid.h, 2, c}).sum(at::IntArrayRef{0, 2});
    const Tensor zSum = total.select(1, 0), mean = perChannel(s.mean, c).to(at::kDouble);
    const Tensor rstd = perChannel(s.rstd, c).to(at::kDouble), w = weight.to(at::kDouble);
    const Tensor hatSum = (total.select(1, 1) - mean * zSum) * rstd; // [B, C]
    const double n = static_cast<double>(grid.T * grid.H * grid.W * width);
    const auto byGroup = [&](const Tensor& t) {
      return perChannel((t * w).view({grid.B, groups, width}).sum(2) / n, c);
    };
    const Tensor slope = -rstd * rstd * byGroup(hatSum);
    const Tensor level = (-rstd * byGroup(zSum) - mean * slope).to(at::kFloat).contiguous();
    const Tensor slopes = slope.to(at::kFloat).contiguous();
    grid.parallel([&](int64_t piece, int64_t item) {
      const float *a = data<float>(z.a) + item * c, *d = data<float>(z.d) + item * c;
      grid.runs(piece, [&](int64_t at, int64_t pixels, int64_t pixel) {
        clips<T>().backward(data<T>(x) + at * c, data<T>(dy) + at * c, data<T>(dx) + at * c, pixels,
                            c, a, d, pixelRow<T>(scale, pixel, c), pixelRow<T>(shift, pixel, c),
                            silu, data<float>(slopes) + item * c, data<float>(level) + item * c);
      });
    });
  });

  const Tensor total = sums.to(at::kDouble).view({grid.t, grid.B, grid.h, 2, c}).sum(at::IntArrayRef{0, 2});
  const Tensor zSum = total.select(1, 0);
  const Tensor hatSum = (total.select(1, 1) - perChannel(s.mean, c) * zSum) * perChannel(s.rstd, c);
  Tensor dScale, dShift;
  if (grid.modulated) {
    const Tensor all = low.view({grid.t, grid.B, grid.h, grid.w, 2, c}).to(scale.scalar_type());
    dScale = all.select(4, 0).permute({0, 1, 4, 2, 3});
    dShift = all.select(4, 1).permute({0, 1, 4, 2, 3});
  }
  return {dx, hatSum.sum(0).to(weight.scalar_type()), zSum.sum(0).to(bias.scalar_type()), dScale,
          dShift, Tensor(), Tensor(), Tensor()};
}

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, const OptionalTensor& scale,
           const OptionalTensor& shift, int64_t groups) {
  expectOneDevice("clip_norm", {x, weight, bias, orNone(scale), orNone(shift)});
  TORCH_CHECK(x.dim() == 5, "clip_norm: x must be [T, B, C, H, W], got ", x.sizes());
  TORCH_CHECK(weight.numel() == x.size(2) && groups > 0 && x.size(2) % groups == 0, "clip_norm: ",
              x.size(2), " channels do not fit ", weight.numel(), " weights in ", groups, " groups");
  TORCH_CHECK(weight.dim() == 1 && bias.sizes() == weight.sizes(),
              "clip_norm: weight and bias must be [", x.size(2), "], got ", weight.sizes(), " and ",
              bias.sizes());
  TORCH_CHECK(scale.has_value() == shift.has_value(),
              "clip_norm: scale and shift must be given together");
  if (!scale.has_value()) return;
  for (const auto& t : {*scale, *shift}) {
    TORCH_CHECK(t.dim() == 5 && t.sizes() == scale->sizes() && t.size(1) == x.size(1) &&
                    t.size(2) == x.size(2) && t.size(0) <= x.size(0) && t.size(3) <= x.size(3) &&
                    t.size(4) <= x.size(4) && t.scalar_type() == x.scalar_type() &&
                    (t.numel() > 0 || x.numel() == 0),
                "clip_norm: scale and shift must be like x and no larger, got ", t.sizes(), " for ",
                x.sizes());
  }
  TORCH_CHECK(x.size(0) == 1 || x.size(0) % 2 == 0 || scale->size(0) > 1 || x.numel() == 0,
              "clip_norm: the first of ", x.size(0),
              " frames is kept apart, so scale and shift need at least 2, got 1");
}

// --- for any device and dtype: differentiable ATen operators

// [t, B, C, h, w] → [T, B, C, h, w] by nearest neighbour; for odd T the first frame is kept apart.
Tensor frameOfEach(const Tensor& x, int64_t frames) {
  if (x.size(0) == frames) return x;
  const int64_t apart = frames > 1 && frames % 2 == 1 ? 1 : 0;
  std::vector<int64_t> from(frames, 0);
  for (int64_t i = apart; i < frames; ++i) {
    from[i] = apart + (i - apart) * (x.size(0) - apart) / (frames - apart);
  }
  return x.index_select(0, at::tensor(from, x.options().dtype(at::kLong)));
}

Tensor plain(const Tensor& input, const Tensor& weight, const Tensor& bias,
             const OptionalTensor& scale, const OptionalTensor& shift, int64_t groups, double eps,
             bool silu) {
  const auto type = computeType(input);
  const int64_t b = input.size(1), c = input.size(2);
  const Tensor x = channelsLast(input).to(type);
  const auto perGroup = [&](const Tensor& t) { // mean over frames, pixels and a group's channels
    const Tensor means = t.mean(at::IntArrayRef{0, 3, 4}).view({b, groups, c / groups}).mean(-1, true);
    return means.expand({b, groups, c / groups}).reshape({1, b, c, 1, 1});
  };
  const auto perChannel = [&](const Tensor& t) { return t.to(type).view({1, 1, c, 1, 1}); };
  // subtracts the mean before squaring, to avoid cancellation
  const Tensor centred = x - perGroup(x);
  Tensor y = centred * ((perGroup(centred * centred) + eps).rsqrt() * perChannel(weight));
  y = y + perChannel(bias);
  if (scale.has_value()) {
    const auto resized = [&](const Tensor& t) {
      const Tensor frames = frameOfEach(t.to(type), x.size(0)).flatten(0, 1);
      const Tensor pictures = at::upsample_nearest2d(frames, {x.size(3), x.size(4)});
      return pictures.unflatten(0, {x.size(0), b});
    };
    y = y * resized(*scale) + resized(*shift);
  }
  if (silu) y = at::silu(y);
  return y.to(input.scalar_type());
}

struct ClipNorm : torch::autograd::Function<ClipNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& weight,
                        const Tensor& bias, const OptionalTensor& scale,
                        const OptionalTensor& shift, int64_t groups, double eps, bool silu) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor x = channelsLast(input);
    const Tensor s = scale.has_value() ? channelsLast(*scale) : Tensor();
    const Tensor h = shift.has_value() ? channelsLast(*shift) : Tensor();
    const Statistics found = statistics(x, groups, eps);
    context->save_for_backward({x, weight, bias, s, h, found.mean, found.rstd});
    context->saved_data["silu"] = silu;
    return normalized(x, line(found, weight, bias), s, h, silu);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    return gradients(saved[0], channelsLast(incoming[0]), {saved[5], saved[6]}, saved[1], saved[2],
                     saved[3], saved[4], context->saved_data["silu"].toBool());
  }
};

Tensor forward(const Tensor& input, const Tensor& weight, const Tensor& bias,
               const OptionalTensor& scale, const OptionalTensor& shift, int64_t groups, double eps,
               bool silu) {
  check(input, weight, bias, scale, shift, groups);
  if (!fits(input)) return plain(input, weight, bias, scale, shift, groups, eps, silu);
  const Tensor x = channelsLast(input);
  const Tensor s = scale.has_value() ? channelsLast(*scale) : Tensor();
  const Tensor h = shift.has_value() ? channelsLast(*shift) : Tensor();
  return normalized(x, line(statistics(x, groups, eps), weight, bias), s, h, silu);
}

Tensor autograd(const Tensor& x, const Tensor& weight, const Tensor& bias,
                const OptionalTensor& scale, const OptionalTensor& shift, int64_t groups,
                double eps, bool silu) {
  check(x, weight, bias, scale, shift, groups);
  if (needsGrad({x, weight, bias, orNone(scale), orNone(shift)})) {
    if (!fits(x)) return plain(x, weight, bias, scale, shift, groups, eps, silu);
    return ClipNorm::apply(x, weight, bias, scale, shift, groups, eps, silu);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, weight, bias, scale, shift, groups, eps, silu);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("clip_norm(Tensor x, Tensor weight, Tensor bias, Tensor? scale, Tensor? shift, "
              "int groups, float eps, bool silu) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) { library.impl("clip_norm", forward); }
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("clip_norm", autograd); }

} // namespace mfm::kernels
