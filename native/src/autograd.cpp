// Gradients: backward, grad, gradient mode and activation checkpointing.
#include "bridge.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>

namespace mfm {

namespace {

std::vector<at::Tensor> tensorsArg(napi_env env, napi_value value) {
  std::vector<at::Tensor> tensors;
  if (isNullish(env, value)) return tensors;
  for (int64_t handle : toInts(env, value)) {
    tensors.push_back(handle == 0 ? at::Tensor() : tensorAt(handle));
  }
  return tensors;
}

// The tensors of a list of handles; throws if one of them is missing.
std::vector<at::Tensor> definedArg(napi_env env, napi_value value) {
  std::vector<at::Tensor> tensors;
  for (int64_t handle : toInts(env, value)) tensors.push_back(tensorAt(handle));
  return tensors;
}

// backward(outputs, gradients | null, retainGraph)
napi_value backward(Args& args) {
  torch::autograd::backward(definedArg(args.env, args[0]), tensorsArg(args.env, args[1]),
                            toBool(args.env, args[2]));
  tellLateGradients();
  return undefined(args.env);
}

// grad(outputs, inputs, gradients | null, retainGraph, allowUnused): handles, 0 where unused
napi_value grad(Args& args) {
  napi_env env = args.env;
  bool retain = toBool(env, args[3]);
  auto gradients = torch::autograd::grad(definedArg(env, args[0]), definedArg(env, args[1]),
                                         tensorsArg(env, args[2]), retain, false,
                                         toBool(env, args[4]));
  napi_value result;
  napi_create_array_with_length(env, gradients.size(), &result);
  for (size_t i = 0; i < gradients.size(); i++) {
    napi_set_element(env, result, i, fromDouble(env, addTensor(gradients[i])));
  }
  return result;
}

napi_value getGrad(Args& args) {
  return fromDouble(args.env, addTensor(tensorArg(args.env, args[0]).grad()));
}

// setGrad(tensor, gradient | null)
napi_value setGrad(Args& args) {
  at::Tensor tensor = tensorArg(args.env, args[0]);
  tensor.mutable_grad() =
      isNullish(args.env, args[1]) ? at::Tensor() : tensorArg(args.env, args[1]);
  return undefined(args.env);
}

napi_value requiresGrad(Args& args) {
  return fromBool(args.env, tensorArg(args.env, args[0]).requires_grad());
}

napi_value setRequiresGrad(Args& args) {
  at::Tensor tensor = tensorArg(args.env, args[0]);
  tensor.set_requires_grad(toBool(args.env, args[1]));
  return undefined(args.env);
}

napi_value isLeaf(Args& args) {
  return fromBool(args.env, tensorArg(args.env, args[0]).is_leaf());
}

// setGradMode(enabled): the mode before
napi_value setGradMode(Args& args) {
  bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(args.env, args[0]));
  return fromBool(args.env, before);
}

// Where a gradient of another device waits for the JavaScript thread.
using Mailbox = std::shared_ptr<at::Tensor>;

// A node of the autograd graph that recomputes its segment in JavaScript during the backward pass.
struct CheckpointNode : torch::autograd::Node {
  napi_env env;
  napi_ref callback;
  Mailbox mailbox;  // null on the CPU

  CheckpointNode(napi_env env, napi_ref callback, Mailbox mailbox)
      : env(env), callback(callback), mailbox(std::move(mailbox)) {}
  ~CheckpointNode() override {
    if (callback != nullptr && onJsThread()) napi_delete_reference(env, callback);
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    if (!onJsThread()) {
      throw std::runtime_error("checkpoint: the backward pass must run on the JavaScript thread");
    }
    HandleScope scope(env);
    napi_value function, result, receiver = undefined(env);
    const at::Tensor incoming = mailbox ? std::move(*mailbox) : gradients.at(0);
    napi_value gradient = fromDouble(env, addTensor(incoming));
    napi_get_reference_value(env, callback, &function);
    if (napi_call_function(env, receiver, function, 1, &gradient, &result) != napi_ok) {
      throw std::runtime_error("checkpoint: recomputing failed");
    }
    bool isArray = false;
    napi_is_array(env, result, &isArray);
    if (!isArray) throw std::runtime_error("checkpoint: the callback must return an array");
    torch::autograd::variable_list inputGradients = tensorsArg(env, result);
    releaseTensors(toInts(env, result));
    if (inputGradients.size() != num_outputs()) {
      throw std::runtime_error("checkpoint: the callback must return a gradient for each of " +
                               std::to_string(num_outputs()) + " inputs, got " +
                               std::to_string(inputGradients.size()));
    }
    return inputGradients;
  }
};

// The engine computes the gradients of other devices on threads of their own, and those of the CPU on the
// thread that called backward, which is JavaScript's. So this node, on the device's thread, leaves its
// gradient in the mailbox and gives the next one, a `CheckpointNode`, a tensor of the CPU.
struct HandOverNode : torch::autograd::Node {
  Mailbox mailbox;

  explicit HandOverNode(Mailbox mailbox) : mailbox(std::move(mailbox)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    *mailbox = gradients.at(0);
    return {token()};
  }

  static at::Tensor token() { return at::zeros({1}); }
};

// Nodes are owned by std::shared_ptr, in newer versions (2.15 at the latest) by c10::intrusive_ptr.
template <class Node, class... Args>
auto makeNode(Args... args) {
  if constexpr (std::is_base_of_v<c10::intrusive_ptr_target, Node>) {
    return c10::make_intrusive<Node>(args...);
  } else {
    return std::shared_ptr<Node>(new Node(args...), [](auto* node) { deleteNode(node); });
  }
}

// checkpoint(inputs, output, callback(gradient) => input gradients): the output, attached to the
// graph
napi_value checkpoint(Args& args) {
  napi_env env = args.env;
  std::vector<at::Tensor> inputs = definedArg(env, args[0]);
  at::Tensor output = tensorArg(env, args[1]).detach();
  napi_ref callback = toCallback(env, args[2]);
  const Mailbox mailbox = output.is_cpu() ? nullptr : std::make_shared<at::Tensor>();
  auto node = makeNode<CheckpointNode>(env, callback, mailbox);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  if (mailbox) {
    node->add_input_metadata(HandOverNode::token());
    auto first = makeNode<HandOverNode>(mailbox);
    first->add_next_edge(torch::autograd::Edge(node, 0));
    torch::autograd::set_history(output, first);
  } else {
    torch::autograd::set_history(output, node);
  }
  return fromDouble(env, addTensor(output));
}

}  // namespace

void initAutograd(napi_env env, napi_value exports) {
  exportFunction(env, exports, "backward", backward);
  exportFunction(env, exports, "gradients", grad);
  exportFunction(env, exports, "getGrad", getGrad);
  exportFunction(env, exports, "setGrad", setGrad);
  exportFunction(env, exports, "requiresGrad", requiresGrad);
  exportFunction(env, exports, "setRequiresGrad", setRequiresGrad);
  exportFunction(env, exports, "isLeaf", isLeaf);
  exportFunction(env, exports, "setGradMode", setGradMode);
  exportFunction(env, exports, "checkpoint", checkpoint);
}

}  // namespace mfm
