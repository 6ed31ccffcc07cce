// aten::scaled_dot_product_attention, looked up at run time: LibTorch 1.13 has no such operator, in
// 2.0 it has no `scale`, and later versions have further arguments.
#include "attention-device.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <cmath>

namespace mfm::kernels {
namespace {

const auto& fusedAttention() {
  static const auto found =
      c10::Dispatcher::singleton().findSchema({"aten::scaled_dot_product_attention", ""});
  return found;
}

} // namespace

bool hasDeviceAttention(const Tensor& q) { return !q.device().is_cpu() && fusedAttention(); }

Tensor deviceAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                       double scale) {
  const auto& arguments = fusedAttention()->schema().arguments();
  const bool takesScale = std::any_of(arguments.begin(), arguments.end(),
                                      [](const c10::Argument& a) { return a.name() == "scale"; });
  // without the argument the scale is 1 / sqrt(K)
  const double own = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const Tensor queries = takesScale || scale == own ? q : q * (scale / own);
  c10::IValue bias;
  if (mask.defined()) bias = mask.to(q.scalar_type()).reshape({-1, 1, 1, k.size(2)});
  torch::jit::Stack stack;
  for (const c10::Argument& argument : arguments) {
    const std::string& name = argument.name();
    if (name == "query") stack.emplace_back(queries);
    else if (name == "key") stack.emplace_back(k);
    else if (name == "value") stack.emplace_back(v);
    else if (name == "attn_mask") stack.push_back(bias);
    else if (name == "scale") stack.emplace_back(scale);
    else stack.push_back(*argument.default_value()); // no dropout, not causal
  }
  fusedAttention()->callBoxed(&stack);
  return stack[0].toTensor();
}

} // namespace mfm::kernels
