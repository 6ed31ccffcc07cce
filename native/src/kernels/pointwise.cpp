// mfm::gelu_tanh, mfm::silu and mfm::gated_add, each in a single pass, with their gradients.
#include "operators.h"

namespace mfm::kernels {
namespace {

constexpr int64_t run = 4096; // elements per work item

template <class Body> void parallelRuns(int64_t count, const Body& body) {
  parallelPieces((count + run - 1) / run, run, [&](int64_t begin, int64_t end) {
    body(begin * run, std::min(count, end * run));
  });
}

// Any memory order without gaps is fine, so channels-last tensors stay channels-last.
Tensor dense(const Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }
Tensor denseLike(const Tensor& dy, const Tensor& x) {
  return dy.strides() == x.strides() ? dy : at::empty_like(x).copy_(dy);
}

struct Gelu {
  static Tensor plain(const Tensor& x) { return at::gelu(x, "tanh"); }
  template <class T> static auto forward() { return rows<T>().geluForward; }
  template <class T> static auto backward() { return rows<T>().geluBackward; }
};
struct Silu {
  static Tensor plain(const Tensor& x) { return at::silu(x); }
  template <class T> static auto forward() { return rows<T>().siluForward; }
  template <class T> static auto backward() { return rows<T>().siluBackward; }
};

template <class Kind> Tensor activate(const Tensor& input) {
  if (!fits(input)) return Kind::plain(input);
  const Tensor x = dense(input);
  Tensor y = at::empty_like(x);
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallelRuns(x.numel(), [&](int64_t from, int64_t to) {
      Kind::template forward<T>()(data<T>(x) + from, data<T>(y) + from, to - from);
    });
  });
  return y;
}

template <class Kind> struct Activation : torch::autograd::Function<Activation<Kind>> {
  static Tensor forward(AutogradContext* context, const Tensor& input) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor x = dense(input);
    context->save_for_backward({x});
    return activate<Kind>(x);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0], dy = denseLike(gradients[0], x);
    Tensor dx = at::empty_like(x);
    withType(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      parallelRuns(x.numel(), [&](int64_t from, int64_t to) {
        Kind::template backward<T>()(data<T>(x) + from, data<T>(dy) + from, data<T>(dx) + from,
                                     to - from);
      });
    });
    return {dx};
  }
};

template <class Kind> Tensor activateAutograd(const Tensor& x) {
  if (needsGrad({x})) return fits(x) ? Activation<Kind>::apply(x) : Kind::plain(x);
  at::AutoDispatchBelowADInplaceOrView below;
  return activate<Kind>(x);
}

Tensor gatePerItem(const Tensor& x, const Tensor& gate) {
  TORCH_CHECK(x.dim() == 3, "gated_add: x must be [B, L, D], got ", x.sizes());
  const int64_t b = x.size(0), d = x.size(2);
  TORCH_CHECK(gate.numel() == b * d || gate.numel() == d, "gated_add: gate must be [", b, ", 1, ",
              d, "], got ", gate.sizes());
  return floats(gate).view({-1, d});
}

bool gateFits(const Tensor& residual, const Tensor& x, const Tensor& gate) {
  expectOneDevice("gated_add", {x, residual, gate});
  return fits(x) && fits(residual) && residual.sizes() == x.sizes() &&
         residual.scalar_type() == x.scalar_type();
}

Tensor gatedPlain(const Tensor& residual, const Tensor& x, const Tensor& gate) {
  const Tensor g = gate.reshape({-1, 1, x.size(-1)}).to(computeType(x));
  return residual + (g * x.to(computeType(x))).to(x.scalar_type());
}

// Calls body(first element, rows, item, piece) for every work item of [B, L, D].
template <class Body> void parallelItems(const Tensor& x, const Body& body) {
  const int64_t l = x.size(1), d = x.size(2), perItem = pieces(l);
  parallelPieces(x.size(0) * perItem, d * rowsPerPiece, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t item = piece / perItem, row = piece % perItem * rowsPerPiece;
      body((item * l + row) * d, std::min(rowsPerPiece, l - row), item, piece);
    }
  });
}

Tensor gatedForward(const Tensor& residualInput, const Tensor& input, const Tensor& gate) {
  if (!gateFits(residualInput, input, gate)) return gatedPlain(residualInput, input, gate);
  const Tensor residual = residualInput.contiguous(), x = input.contiguous();
  const Tensor g = gatePerItem(x, gate);
  const int64_t d = x.size(2), stride = g.size(0) == 1 ? 0 : d;
  Tensor y = at::empty_like(x);
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallelItems(x, [&](int64_t at, int64_t count, int64_t item, int64_t) {
      rows<T>().gatedForward(data<T>(residual) + at, data<T>(x) + at,
                             data<float>(g) + item * stride, data<T>(y) + at, count, d);
    });
  });
  return y;
}

struct GatedAdd : torch::autograd::Function<GatedAdd> {
  static Tensor forward(AutogradContext* context, const Tensor& residual, const Tensor& input,
                        const Tensor& gate) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor x = input.contiguous();
    context->save_for_backward({x, gate});
    return gatedForward(residual, x, gate);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &gate = saved[1], dy = gradients[0].contiguous();
    const Tensor g = gatePerItem(x, gate);
    const int64_t b = x.size(0), d = x.size(2), stride = g.size(0) == 1 ? 0 : d;
    const int64_t perItem = pieces(x.size(1));
    Tensor dx = at::empty_like(x);
    const Tensor partial = at::zeros({b, perItem, d}, at::kFloat);
    withType(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      parallelItems(x, [&](int64_t at, int64_t count, int64_t item, int64_t piece) {
        rows<T>().gatedBackward(data<T>(x) + at, data<T>(dy) + at, data<float>(g) + item * stride,
                                data<T>(dx) + at, data<float>(partial) + piece * d, count, d);
      });
    });
    Tensor dGate = partial.sum(1);
    if (gate.numel() == d && b > 1) dGate = dGate.sum(0);
    return {dy, dx, dGate.reshape(gate.sizes()).to(gate.scalar_type())};
  }
};

Tensor gatedAutograd(const Tensor& residual, const Tensor& x, const Tensor& gate) {
  if (needsGrad({residual, x, gate})) {
    if (!gateFits(residual, x, gate)) return gatedPlain(residual, x, gate);
    return GatedAdd::apply(residual, x, gate);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return gatedForward(residual, x, gate);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("gelu_tanh(Tensor x) -> Tensor");
  library.def("silu(Tensor x) -> Tensor");
  library.def("gated_add(Tensor residual, Tensor x, Tensor gate) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("gelu_tanh", activate<Gelu>);
  library.impl("silu", activate<Silu>);
  library.impl("gated_add", gatedForward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) {
  library.impl("gelu_tanh", activateAutograd<Gelu>);
  library.impl("silu", activateAutograd<Silu>);
  library.impl("gated_add", gatedAutograd);
}

} // namespace mfm::kernels
