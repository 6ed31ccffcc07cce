// mfm::linear: y = x Wᵀ + b and its gradients. On CPUs without bfloat16 dot products, oneDNN 2
// allocates four bytes per thread for each element of the result, gigabytes for wide layers on many
// cores; there the result is computed a few rows at a time.
#include "isa.h"
#include "operators.h"

namespace mfm::kernels {
namespace {

constexpr int64_t rowsAtOnce = 256;

bool needsFewRows(const Tensor& x) {
#if MFM_X86
  return x.device().is_cpu() && x.scalar_type() == at::kBFloat16 && !hasAvx512Bf16();
#else
  return false;
#endif
}

// a [M, K] times b [K, N]
Tensor product(const Tensor& a, const Tensor& b, const OptionalTensor& bias = {}) {
  const int64_t rows = a.size(0);
  Tensor y = at::empty({rows, b.size(1)}, a.options());
  for (int64_t from = 0; from < rows; from += rowsAtOnce) {
    const int64_t count = std::min(rowsAtOnce, rows - from);
    const Tensor part = a.narrow(0, from, count);
    Tensor target = y.narrow(0, from, count);
    if (bias.has_value()) at::addmm_out(target, *bias, part, b);
    else at::mm_out(target, part, b);
  }
  return y;
}

Tensor asRows(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

Tensor forward(const Tensor& x, const Tensor& weight, const OptionalTensor& bias) {
  if (!needsFewRows(x) || x.dim() == 0 || weight.dim() != 2 || x.numel() == 0) {
    return at::linear(x, weight, bias);
  }
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return product(asRows(x), weight.t(), bias).view(shape);
}

struct Linear : torch::autograd::Function<Linear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const OptionalTensor& bias) {
    at::AutoDispatchBelowADInplaceOrView below;
    // each is needed only for the gradient of the other
    context->save_for_backward({weight.requires_grad() ? x : Tensor(),
                                x.requires_grad() ? weight : Tensor()});
    context->saved_data["bias"] = bias.has_value() && bias->requires_grad();
    return kernels::forward(x, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &dy = incoming[0];
    const Tensor rows = asRows(dy);
    Tensor dx, dWeight, dBias;
    if (weight.defined()) {
      std::vector<int64_t> shape = dy.sizes().vec();
      shape.back() = weight.size(1);
      dx = product(rows, weight).view(shape);
    }
    if (x.defined()) dWeight = product(rows.t(), asRows(x));
    if (context->saved_data["bias"].toBool()) dBias = rows.sum(0);
    return {dx, dWeight, dBias};
  }
};

Tensor autograd(const Tensor& x, const Tensor& weight, const OptionalTensor& bias) {
  if (!needsFewRows(x) || x.numel() == 0) return at::linear(x, weight, bias);
  if (needsGrad({x, weight, orNone(bias)})) return Linear::apply(x, weight, bias);
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, weight, bias);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) { library.impl("linear", forward); }
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("linear", autograd); }

} // namespace mfm::kernels
