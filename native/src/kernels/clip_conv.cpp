// mfm::clip_conv: a convolution of each frame, or over three frames, and SiLU if wanted; and its
// gradient. Clips are [T, B, C, H, W] with every frame channels-last, weights [C', C, 1 or 3, k, k].
//
// Output frame t is computed from frames t - 2, t - 1 and t; the clip is preceded by two `past`
// frames, or by copies of its first one. With `halve` it is computed from 2t - 1, 2t and 2t + 1;
// the clip is preceded by one `past` frame or by zeros, and followed by zeros.
//
// In bfloat16 our own kernels do all of it in one pass where they are fastest (clip-direct.h).
// Otherwise it is a sum of LibTorch's 2D convolutions of whole ranges of frames: a 3D convolution
// would reorder its input and output, and slices under autograd cost one pass each.
#include <ATen/core/dispatch/Dispatcher.h>

#include "clip-direct.h"
#include "conv-pieces.h"

namespace mfm::kernels {
namespace {

constexpr int64_t maxStride = 64; // the gradient has as many cases

// One term of the sum: output frames [to, to + count) += convolution of the input frames from,
// from + step, … of the clip or of `past`, with the sum of the weights of taps `first` to `last`.
struct Term {
  bool past;
  int64_t from, to, count;
  int first, last; // taps
  int64_t step = 1;
  bool fresh = false; // the first term that uses these input frames
};

// All terms of the sum; the first one covers all output frames.
std::vector<Term> terms(int64_t frames, int64_t taps, bool hasPast, bool halve) {
  if (taps == 1) return {{false, 0, 0, frames, 0, 0, 1, true}};
  std::vector<Term> out;
  if (halve) {
    const int64_t half = (frames + 1) / 2;
    out.push_back({false, 0, 0, half, 1, 1, 2, true});
    if (frames > 1) out.push_back({false, 1, 0, frames / 2, 2, 2, 2, true});
    if (half > 1) out.push_back({false, 1, 1, half - 1, 0, 0, 2});
    if (hasPast) out.push_back({true, 0, 0, 1, 0, 0});
    return out;
  }
  if (!hasPast && frames == 1) return {{false, 0, 0, 1, 0, 2, 1, true}};
  out.push_back({false, 0, 0, frames, 2, 2, 1, true});
  if (frames > 1) out.push_back({false, 0, 1, frames - 1, 1, 1});
  if (frames > 2) out.push_back({false, 0, 2, frames - 2, 0, 0});
  const int64_t both = std::min<int64_t>(frames, 2);
  if (hasPast) {
    out.push_back({true, 0, 0, both, 0, 0});
    out.push_back({true, 1, 0, 1, 1, 1});
  } else {
    out.push_back({false, 0, 0, 1, 0, 1});
    if (both == 2) out.push_back({false, 0, 1, 1, 0, 0});
  }
  return out;
}

// The term's input frames, a view.
Tensor inputOf(const Term& term, const Tensor& clip) {
  return clip.slice(0, term.from, term.from + (term.count - 1) * term.step + 1, term.step);
}

Tensor outputOf(const Term& term, const Tensor& clip) {
  return clip.narrow(0, term.to, term.count);
}

Tensor weightOf(const Tensor& weight, const Term& term) {
  const Tensor taps = weight.narrow(2, term.first, term.last - term.first + 1);
  const Tensor one = term.first == term.last
                         ? taps.select(2, 0)
                         : taps.to(at::kFloat).sum(2).to(weight.scalar_type());
  return one.contiguous(at::MemoryFormat::ChannelsLast);
}

void check(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
           const OptionalTensor& bias, const ClipPath& path) {
  expectOneDevice("clip_conv", {x, orNone(past), weight, orNone(bias)});
  TORCH_CHECK(x.dim() == 5 && weight.dim() == 5 && weight.size(1) == x.size(2) &&
                  (weight.size(2) == 1 || weight.size(2) == 3),
              "clip_conv: x must be [T, B, C, H, W] and weight [C', C, 1 or 3, k, k], got ",
              x.sizes(), " and ", weight.sizes());
  const int64_t kernel = weight.size(3);
  TORCH_CHECK(weight.size(4) == kernel && weight.numel() > 0,
              "clip_conv: weight must be [C', C, 1 or 3, k, k], got ", weight.sizes());
  TORCH_CHECK(!bias.has_value() || (bias->dim() == 1 && bias->size(0) == weight.size(0)),
              "clip_conv: bias must be [", weight.size(0), "], got ", bias->sizes());
  TORCH_CHECK(x.numel() > 0, "clip_conv: sizes of x must be above 0, got ", x.sizes());
  TORCH_CHECK(path.stride >= 1 && path.stride <= maxStride, "clip_conv: stride must be from 1 to ",
              maxStride, ", got ", path.stride);
  TORCH_CHECK(path.pad >= 0 && path.pad < kernel,
              "clip_conv: padding must be from 0 to k - 1 = ", kernel - 1, ", got ", path.pad);
  TORCH_CHECK(std::min(x.size(3), x.size(4)) + 2 * path.pad >= kernel,
              "clip_conv: x with its padding must be at least ", kernel, " high and wide, got ",
              x.sizes());
  TORCH_CHECK(!path.halve || weight.size(2) == 3,
              "clip_conv: halving the frames needs a weight with three taps in time");
  const int64_t before = path.halve ? 1 : 2;
  TORCH_CHECK(!past.has_value() || (past->dim() == 5 && past->size(0) == before &&
                                    past->sizes().slice(1) == x.sizes().slice(1) &&
                                    past->scalar_type() == x.scalar_type()),
              "clip_conv: past must be ", before, " frames like those of x");
}

// [T', B, C', H', W'], every frame channels-last
Tensor emptyOutput(const Tensor& x, const Tensor& weight, const ClipPath& path) {
  const auto reduced = [&](int64_t size) {
    return (size + 2 * path.pad - weight.size(3)) / path.stride + 1;
  };
  const int64_t frames = path.halve ? (x.size(0) + 1) / 2 : x.size(0);
  return at::empty({frames, x.size(1), reduced(x.size(3)), reduced(x.size(4)), weight.size(0)},
                   x.options())
      .permute({0, 1, 4, 2, 3});
}

// By LibTorch's convolutions.
Tensor convolution(const Tensor& input, const OptionalTensor& pastFrames, const Tensor& weight,
               const OptionalTensor& bias, const ClipPath& path) {
  const Tensor x = channelsLast(input);
  const bool hasPast = pastFrames.has_value();
  const Tensor past = hasPast ? channelsLast(*pastFrames) : Tensor();
  // on other devices whole batches are fastest, and autograd differentiates the operators
  const bool inPieces = x.device().is_cpu();
  Tensor y = inPieces ? emptyOutput(x, weight, path) : Tensor();
  bool first = true;
  for (const Term& term : terms(x.size(0), weight.size(2), hasPast, path.halve)) {
    const Tensor from = inputOf(term, term.past ? past : x);
    const Conv2d conv{weightOf(weight, term), first ? bias : OptionalTensor(),
                      path.stride, path.pad};
    if (inPieces) {
      convolve(conv, from, outputOf(term, y), !first);
    } else {
      const Tensor part = at::conv2d(from.flatten(0, 1), conv.weight, conv.bias, path.stride, path.pad)
                              .unflatten(0, {term.count, x.size(1)});
      if (first) y = part;
      else outputOf(term, y).add_(part);
    }
    first = false;
  }
  return y;
}

// SiLU as an operator of its own, with its own gradient.
Tensor activated(const Tensor& y) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mfm::silu", "")
                             .typed<Tensor(const Tensor&)>();
  return op.call(y);
}

Tensor forward(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
               const OptionalTensor& bias, int64_t stride, int64_t pad, bool halve, bool silu) {
  const ClipPath path{stride, pad, halve};
  check(x, past, weight, bias, path);
  if (!convolvesDirectly(x, weight)) {
    const Tensor y = convolution(x, past, weight, bias, path);
    return silu ? activated(y) : y;
  }
  const Tensor y = emptyOutput(x, weight, path);
  directForward(channelsLast(x), past.has_value() ? channelsLast(*past) : Tensor(), weight, bias,
                path, silu, y, Tensor());
  return y;
}

// The gradients by LibTorch's convolutions: writes those of x and past, where they are defined, and
// returns the others.
ConvGradients convolutionBackward(const Tensor& x, const Tensor& past, const Tensor& weight,
                                  const Tensor& dy, const ClipPath& path, const Tensor& dx,
                                  const Tensor& dPast, bool wantsWeight, bool wantsBias) {
  ConvGradients out;
  const bool oneTap = weight.size(2) == 1;
  if (wantsWeight && !oneTap) out.weight = at::zeros(weight.sizes(), at::kFloat);
  bool first = true; // the first term covers all output frames
  for (const Term& term : terms(x.size(0), weight.size(2), past.defined(), path.halve)) {
    const Tensor& target = term.past ? dPast : dx;
    const Wanted wanted{target.defined(), wantsWeight, wantsBias && first};
    first = false;
    if (!wanted.input && !wanted.weight && !wanted.bias) continue;
    const Conv2d conv{weightOf(weight, term), OptionalTensor(), path.stride, path.pad};
    const ConvGradients got = convolveBackward(
        conv, inputOf(term, term.past ? past : x), outputOf(term, dy),
        wanted.input ? inputOf(term, target) : Tensor(), !term.fresh, wanted);
    if (wanted.bias) out.bias = got.bias;
    if (!wantsWeight) continue;
    const Tensor slope = got.weight.unsqueeze(2);
    if (oneTap) out.weight = slope;
    else out.weight.narrow(2, term.first, term.last - term.first + 1).add_(slope);
  }
  return out;
}

struct ClipConv : torch::autograd::Function<ClipConv> {
  static Tensor forward(AutogradContext* context, const Tensor& input,
                        const OptionalTensor& pastFrames, const Tensor& weight,
                        const OptionalTensor& bias, int64_t stride, int64_t pad, bool halve,
                        bool silu) {
    at::AutoDispatchBelowADInplaceOrView below;
    const ClipPath path{stride, pad, halve};
    const bool hasPast = pastFrames.has_value();
    const Tensor x = channelsLast(input), past = hasPast ? channelsLast(*pastFrames) : Tensor();
    auto& data = context->saved_data;
    data["stride"] = stride;
    data["pad"] = pad;
    data["halve"] = halve;
    data["x"] = input.requires_grad();
    data["past"] = hasPast && pastFrames->requires_grad();
    data["weight"] = weight.requires_grad();
    data["bias"] = bias.has_value() && bias->requires_grad();
    data["biasType"] = static_cast<int64_t>(bias.has_value() ? bias->scalar_type() : at::kFloat);
    Tensor y, slopes;
    if (convolvesDirectly(x, weight)) {
      y = emptyOutput(x, weight, path);
      if (silu) slopes = at::empty_like(y);
      directForward(x, past, weight, bias, path, silu, y, slopes);
    } else {
      y = convolution(x, asOptional(past), weight, bias, path);
    }
    context->save_for_backward({x, past, weight, slopes});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const Tensor &x = saved[0], &past = saved[1], &weight = saved[2], &slopes = saved[3];
    const Tensor dy = channelsLast(incoming[0]);
    const bool wantsWeight = data["weight"].toBool(), wantsBias = data["bias"].toBool();
    const ClipPath path{data["stride"].toInt(), data["pad"].toInt(), data["halve"].toBool()};
    const Tensor dx = data["x"].toBool() ? at::empty_like(x) : Tensor();
    const bool wantsPast = data["past"].toBool();
    Tensor dPast, dWeight, dBias;
    if (convolvesDirectly(x, weight)) {
      if (wantsPast) dPast = at::empty_like(past);
      DirectGradients out{dx, dPast, wantsWeight, wantsBias, {}, {}};
      directBackward(x, past, weight, dy, slopes, path, out);
      dWeight = out.weight;
      dBias = out.bias;
    } else {
      if (wantsPast) dPast = at::zeros_like(past);
      const ConvGradients out =
          convolutionBackward(x, past, weight, dy, path, dx, dPast, wantsWeight, wantsBias);
      dWeight = out.weight;
      dBias = out.bias;
    }
    if (wantsWeight) dWeight = dWeight.to(weight.scalar_type()).contiguous();
    else dWeight = Tensor();
    if (wantsBias) dBias = dBias.to(static_cast<at::ScalarType>(data["biasType"].toInt()));
    else dBias = Tensor();
    return {dx, dPast, dWeight, dBias, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor autograd(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
                const OptionalTensor& bias, int64_t stride, int64_t pad, bool halve, bool silu) {
  const ClipPath path{stride, pad, halve};
  check(x, past, weight, bias, path);
  if (needsGrad({x, orNone(past), weight, orNone(bias)})) {
    const bool direct = convolvesDirectly(x, weight);
    const Tensor y = x.device().is_cpu()
                         ? ClipConv::apply(x, past, weight, bias, stride, pad, halve, silu && direct)
                         : convolution(x, past, weight, bias, path);
    return silu && !direct ? activated(y) : y;
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, past, weight, bias, stride, pad, halve, silu);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("clip_conv(Tensor x, Tensor? past, Tensor weight, Tensor? bias, int stride, "
              "int padding, bool halve=False, bool silu=False) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("clip_conv", forward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("clip_conv", autograd); }

} // namespace mfm::kernels
