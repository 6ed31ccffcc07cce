// mfm::clip_conv: a convolution of every frame, or over three frames of which the last is the
// output's own, as 2D convolutions of whole ranges of frames that add up in place; and its gradient.
// A 3D convolution would be reordered on its way in and out, and slices under autograd cost a pass
// each. Clips are [T, B, C, H, W] with every frame channels-last, weights [C', C, 1 or 3, k, k].
#include "operators.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace mfm::kernels {
namespace {

// One convolution of the sum: output frames [to, to + count) += input frames [from, from + count)
// of the clip or of what stands before it, with the weights of the taps in `taps` added up.
struct Term {
  bool past;
  int64_t from, to, count;
  int first, last; // taps
};

// Frame t sees t - 2, t - 1 and t. Before the clip stand two `past` frames, or its own first one.
std::vector<Term> terms(int64_t frames, int64_t taps, bool hasPast) {
  std::vector<Term> out;
  if (taps == 1) return {{false, 0, 0, frames, 0, 0}};
  if (!hasPast && frames == 1) return {{false, 0, 0, 1, 0, 2}};
  out.push_back({false, 0, 0, frames, 2, 2});
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

// Frames [from, from + count) as one batch of pictures [count * B, C, H, W], a view.
Tensor pictures(const Tensor& clip, int64_t from, int64_t count) {
  return clip.narrow(0, from, count).flatten(0, 1);
}

Tensor channelsLast(const Tensor& clip) {
  return clip.permute({0, 1, 3, 4, 2}).contiguous().permute({0, 1, 4, 2, 3});
}

Tensor weightOf(const Tensor& weight, const Term& term) {
  const Tensor taps = weight.narrow(2, term.first, term.last - term.first + 1);
  const Tensor one = term.first == term.last
                         ? taps.select(2, 0)
                         : taps.to(at::kFloat).sum(2).to(weight.scalar_type());
  return one.contiguous(at::MemoryFormat::ChannelsLast);
}

void check(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
           const OptionalTensor& bias) {
  expectOneDevice("clip_conv", {x, orNone(past), weight, orNone(bias)});
  TORCH_CHECK(x.dim() == 5 && weight.dim() == 5 && weight.size(1) == x.size(2) &&
                  (weight.size(2) == 1 || weight.size(2) == 3),
              "clip_conv: x must be [T, B, C, H, W] and weight [C', C, 1 or 3, k, k], got ",
              x.sizes(), " and ", weight.sizes());
  TORCH_CHECK(!past.has_value() || (past->dim() == 5 && past->size(0) == 2 &&
                                    past->sizes().slice(1) == x.sizes().slice(1)),
              "clip_conv: past must be two frames like those of x");
}

Tensor forward(const Tensor& input, const OptionalTensor& pastFrames, const Tensor& weight,
               const OptionalTensor& bias, int64_t stride, int64_t pad) {
  check(input, pastFrames, weight, bias);
  const Tensor x = channelsLast(input);
  const bool hasPast = pastFrames.has_value();
  const Tensor past = hasPast ? channelsLast(*pastFrames) : Tensor();
  const int64_t frames = x.size(0), b = x.size(1);
  Tensor y;
  for (const Term& term : terms(frames, weight.size(2), hasPast)) {
    const Tensor from = pictures(term.past ? past : x, term.from, term.count);
    const Tensor part = at::conv2d(from, weightOf(weight, term),
                                   y.defined() ? OptionalTensor() : bias, stride, pad);
    if (y.defined()) y.narrow(0, term.to * b, term.count * b).add_(part);
    else y = part;
  }
  return y.unflatten(0, {frames, b});
}

// Pieces of about a megabyte, at most 16. Each is one thread's: the convolutions inside run on one
// thread, because those for weights wait for each other in busy loops, which on a loaded machine
// took ten times as long as the work (measured).
int64_t picturesPerPiece(const Tensor& batch) {
  const int64_t all = batch.size(0), bytes = batch.numel() / all * batch.element_size();
  return std::max({int64_t(1), (int64_t(1) << 20) / std::max<int64_t>(1, bytes), (all + 15) / 16});
}

// The calling thread's own share of threads is one while this lives. Being inside a parallel region
// is not enough: the convolution would be made for several threads and wait for them for ever.
struct OneThread {
#ifdef _OPENMP
  const int before = omp_get_max_threads();
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before); }
#endif
};

struct Wanted {
  bool input, weight, bias;
};

// Gradients of one 2D convolution: that of the input is written to `dx` (or added), those of weight
// and bias are returned in float32, or undefined.
std::pair<Tensor, Tensor> convGradients(const Tensor& x, const Tensor& dy, const Tensor& weight,
                                        const Tensor& dx, bool add, int64_t stride, int64_t pad,
                                        Wanted wanted) {
  const int64_t all = x.size(0), step = picturesPerPiece(x), count = (all + step - 1) / step;
  std::vector<Tensor> weights(count), biases(count);
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const OneThread alone;
    const at::NoGradGuard noGrad;
    const at::AutoDispatchBelowADInplaceOrView below; // threads of their own: guards are not shared
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t from = piece * step, n = std::min(step, all - from);
      const auto got = at::convolution_backward(
          dy.narrow(0, from, n), x.narrow(0, from, n), weight, at::IntArrayRef{weight.size(0)},
          at::IntArrayRef{stride, stride}, at::IntArrayRef{pad, pad}, at::IntArrayRef{1, 1}, false,
          at::IntArrayRef{0, 0}, 1, {wanted.input, wanted.weight, wanted.bias});
      if (wanted.input) {
        const Tensor target = dx.narrow(0, from, n);
        if (add) target.add_(std::get<0>(got));
        else target.copy_(std::get<0>(got));
      }
      if (wanted.weight) weights[piece] = std::get<1>(got).to(at::kFloat);
      if (wanted.bias) biases[piece] = std::get<2>(got).to(at::kFloat);
    }
  });
  const auto total = [&](std::vector<Tensor>& parts, bool any) {
    if (!any) return Tensor();
    for (int64_t i = 1; i < count; ++i) parts[0].add_(parts[i]); // in order: the same every time
    return parts[0];
  };
  return {total(weights, wanted.weight), total(biases, wanted.bias)};
}

struct ClipConv : torch::autograd::Function<ClipConv> {
  static Tensor forward(AutogradContext* context, const Tensor& input,
                        const OptionalTensor& pastFrames, const Tensor& weight,
                        const OptionalTensor& bias, int64_t stride, int64_t pad) {
    at::AutoDispatchBelowADInplaceOrView below;
    const bool hasPast = pastFrames.has_value();
    const Tensor x = channelsLast(input), past = hasPast ? channelsLast(*pastFrames) : Tensor();
    context->save_for_backward({x, past, weight});
    auto& data = context->saved_data;
    data["stride"] = stride;
    data["pad"] = pad;
    data["x"] = input.requires_grad();
    data["past"] = hasPast && pastFrames->requires_grad();
    data["weight"] = weight.requires_grad();
    data["bias"] = bias.has_value() && bias->requires_grad();
    data["biasType"] = static_cast<int64_t>(bias.has_value() ? bias->scalar_type() : at::kFloat);
    return kernels::forward(x, asOptional(past), weight, bias, stride, pad);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const Tensor &x = saved[0], &past = saved[1], &weight = saved[2];
    const Tensor dy = channelsLast(incoming[0]);
    const bool wantsX = data["x"].toBool(), wantsPast = data["past"].toBool();
    const bool wantsWeight = data["weight"].toBool(), wantsBias = data["bias"].toBool();
    const int64_t stride = data["stride"].toInt(), pad = data["pad"].toInt();
    Tensor dx = wantsX ? at::empty_like(x) : Tensor();
    Tensor dPast = wantsPast ? at::zeros_like(past) : Tensor();
    Tensor dWeight = wantsWeight ? at::zeros(weight.sizes(), at::kFloat) : Tensor(), dBias;
    bool first = true; // the first term covers all frames of the clip
    for (const Term& term : terms(x.size(0), weight.size(2), past.defined())) {
      const Wanted wanted{term.past ? wantsPast : wantsX, wantsWeight, wantsBias && first};
      if (!wanted.input && !wanted.weight && !wanted.bias) continue;
      const Tensor& target = term.past ? dPast : dx;
      const auto got = convGradients(
          pictures(term.past ? past : x, term.from, term.count),
          pictures(dy, term.to, term.count), weightOf(weight, term),
          wanted.input ? pictures(target, term.from, term.count) : Tensor(), term.past || !first,
          stride, pad, wanted);
      first = false;
      if (wanted.bias) dBias = got.second;
      if (!wantsWeight) continue;
      dWeight.narrow(2, term.first, term.last - term.first + 1).add_(got.first.unsqueeze(2));
    }
    if (wantsWeight) dWeight = dWeight.to(weight.scalar_type());
    if (dBias.defined()) {
      dBias = dBias.to(static_cast<at::ScalarType>(data["biasType"].toInt()));
    }
    return {dx, dPast, dWeight, dBias, Tensor(), Tensor()};
  }
};

Tensor autograd(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
                const OptionalTensor& bias, int64_t stride, int64_t pad) {
  check(x, past, weight, bias);
  if (needsGrad({x, orNone(past), weight, orNone(bias)})) {
    // elsewhere the convolutions' own gradients do: these pieces are for threads
    if (!x.device().is_cpu()) return forward(x, past, weight, bias, stride, pad);
    return ClipConv::apply(x, past, weight, bias, stride, pad);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, past, weight, bias, stride, pad);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("clip_conv(Tensor x, Tensor? past, Tensor weight, Tensor? bias, int stride, "
              "int padding) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("clip_conv", forward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("clip_conv", autograd); }

} // namespace mfm::kernels
