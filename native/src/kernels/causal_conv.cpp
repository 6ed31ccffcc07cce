// mfm::causal_conv: a convolution over three frames, the last of them the output's own, as 2D
// convolutions of whole ranges of frames that add up in place; and its gradient. A 3D convolution
// would be reordered on its way in and out, and slices under autograd cost a pass each.
// Clips are [T, B, C, H, W] with every frame channels-last, weights [C', C, 3, k, k].
#include "operators.h"

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
std::vector<Term> terms(int64_t frames, bool hasPast) {
  std::vector<Term> out;
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

Tensor forward(const Tensor& input, const OptionalTensor& pastFrames, const Tensor& weight,
               const OptionalTensor& bias) {
  TORCH_CHECK(input.dim() == 5 && weight.dim() == 5 && weight.size(2) == 3,
              "causal_conv: x must be [T, B, C, H, W] and weight [C', C, 3, k, k], got ",
              input.sizes(), " and ", weight.sizes());
  const Tensor x = channelsLast(input);
  const bool hasPast = pastFrames.has_value() && pastFrames->defined();
  const Tensor past = hasPast ? channelsLast(*pastFrames) : Tensor();
  const int64_t frames = x.size(0), b = x.size(1), pad = weight.size(3) / 2;
  Tensor y;
  for (const Term& term : terms(frames, hasPast)) {
    const Tensor from = pictures(term.past ? past : x, term.from, term.count);
    const Tensor part = at::conv2d(from, weightOf(weight, term),
                                   y.defined() ? OptionalTensor() : bias, 1, pad);
    if (y.defined()) y.narrow(0, term.to * b, term.count * b).add_(part);
    else y = part;
  }
  return y.unflatten(0, {frames, b});
}

struct CausalConv : torch::autograd::Function<CausalConv> {
  static Tensor forward(AutogradContext* context, const Tensor& input,
                        const OptionalTensor& pastFrames, const Tensor& weight,
                        const OptionalTensor& bias) {
    at::AutoDispatchBelowADInplaceOrView below;
    const bool hasPast = pastFrames.has_value() && pastFrames->defined();
    const Tensor x = channelsLast(input), past = hasPast ? channelsLast(*pastFrames) : Tensor();
    context->save_for_backward({x, past, weight});
    context->saved_data["bias"] = bias.has_value() && bias->defined();
    context->saved_data["needs"] = std::vector<bool>{
        input.requires_grad(), hasPast && pastFrames->requires_grad(), weight.requires_grad()};
    return kernels::forward(x, asOptional(past), weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &past = saved[1], &weight = saved[2];
    const Tensor dy = channelsLast(incoming[0]);
    const bool hasBias = context->saved_data["bias"].toBool();
    const int64_t outChannels = weight.size(0), pad = weight.size(3) / 2, b = x.size(1);
    const auto needs = context->saved_data["needs"].toBoolList();
    Tensor dx, dPast, dBias, dWeight = at::zeros(weight.sizes(), at::kFloat);
    for (const Term& term : terms(x.size(0), past.defined())) {
      const bool first = !dBias.defined() && hasBias && !term.past;
      const bool wantsInput = term.past ? needs.get(1) : needs.get(0);
      if (!wantsInput && !needs.get(2)) continue;
      const auto got = at::convolution_backward(
          pictures(dy, term.to, term.count), pictures(term.past ? past : x, term.from, term.count),
          weightOf(weight, term), at::IntArrayRef{outChannels}, at::IntArrayRef{1, 1},
          at::IntArrayRef{pad, pad}, at::IntArrayRef{1, 1}, false, at::IntArrayRef{0, 0}, 1,
          {wantsInput, needs.get(2), first});
      if (first) dBias = std::get<2>(got);
      if (needs.get(2)) {
        dWeight.narrow(2, term.first, term.last - term.first + 1)
            .add_(std::get<1>(got).unsqueeze(2).to(at::kFloat));
      }
      if (!wantsInput) continue;
      Tensor& sum = term.past ? dPast : dx;
      const Tensor& part = std::get<0>(got);
      if (!sum.defined()) {
        // the first term of the clip covers all its frames; of the past it may miss one
        if (!term.past || term.count == past.size(0)) {
          sum = part.unflatten(0, {term.count, b});
          continue;
        }
        sum = at::zeros_like(past);
      }
      pictures(sum, term.from, term.count).add_(part);
    }
    return {dx, dPast, needs.get(2) ? dWeight.to(weight.scalar_type()) : Tensor(), dBias};
  }
};

Tensor autograd(const Tensor& x, const OptionalTensor& past, const Tensor& weight,
                const OptionalTensor& bias) {
  if (needsGrad({x, orNone(past), weight, orNone(bias)})) {
    return CausalConv::apply(x, past, weight, bias);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, past, weight, bias);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("causal_conv(Tensor x, Tensor? past, Tensor weight, Tensor? bias) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("causal_conv", forward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("causal_conv", autograd); }

} // namespace mfm::kernels
