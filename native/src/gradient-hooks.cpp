// Calls JavaScript when the gradient of a parameter has been accumulated, during the backward pass.
#include "bridge.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace mfm {

namespace {

using torch::autograd::variable_list;
// std::shared_ptr, or c10::intrusive_ptr in newer versions
using NodePtr = decltype(torch::autograd::impl::grad_accumulator(std::declval<const at::Tensor&>()));

// The number of callbacks running now: the hooks must not be changed from inside them.
int telling = 0;

void expectNotTelling(const char* who) {
  if (telling > 0) throw std::runtime_error(std::string(who) + ": not allowed within its callback");
}

struct Hooks {
  napi_env env;
  napi_ref callback;
  std::vector<std::pair<NodePtr, uintptr_t>> nodes;
  // accumulated on another thread, like gradients on a GPU: reported at the end of the backward
  // pass
  std::mutex mutex;
  std::deque<int64_t> late;

  void tell(int64_t index) {
    HandleScope scope(env);
    napi_value function, argument = fromDouble(env, static_cast<double>(index)), result;
    napi_get_reference_value(env, callback, &function);
    telling++;
    const napi_status status =
        napi_call_function(env, undefined(env), function, 1, &argument, &result);
    telling--;
    if (status != napi_ok) throw std::runtime_error("hookGradients: the callback failed");
  }

  void accumulated(int64_t index) {
    if (onJsThread()) return tell(index);
    std::lock_guard<std::mutex> lock(mutex);
    late.push_back(index);
  }

  bool takeLate(int64_t& index) {
    std::lock_guard<std::mutex> lock(mutex);
    if (late.empty()) return false;
    index = late.front();
    late.pop_front();
    return true;
  }
};

// Never destroyed: when the process ends, there is no JavaScript left in which to free callbacks.
std::unordered_map<int64_t, std::shared_ptr<Hooks>>& hooked =
    *new std::unordered_map<int64_t, std::shared_ptr<Hooks>>();
int64_t lastId = 0;

// hookGradients(parameters, callback(index)): id
napi_value hookGradients(Args& args) {
  napi_env env = args.env;
  expectNotTelling("hookGradients");
  std::vector<NodePtr> accumulators;
  for (int64_t handle : toInts(env, args[0])) {
    NodePtr node = torch::autograd::impl::grad_accumulator(tensorAt(handle));
    if (!node) throw std::runtime_error("every parameter must require a gradient");
    accumulators.push_back(std::move(node));
  }
  auto hooks = std::make_shared<Hooks>();
  hooks->env = env;
  hooks->callback = toCallback(env, args[1]);
  for (size_t i = 0; i < accumulators.size(); i++) {
    auto hook = [hooks = hooks.get(), i](const variable_list& outputs, const variable_list&) {
      hooks->accumulated(static_cast<int64_t>(i));
      return outputs;
    };
    const uintptr_t key = accumulators[i]->add_post_hook(
        std::make_unique<torch::autograd::utils::LambdaPostHook>(std::move(hook)));
    hooks->nodes.emplace_back(std::move(accumulators[i]), key);
  }
  hooked.emplace(++lastId, std::move(hooks));
  return fromDouble(env, static_cast<double>(lastId));
}

// unhookGradients(id); not during a backward pass
napi_value unhookGradients(Args& args) {
  expectNotTelling("unhookGradients");
  auto found = hooked.find(toInt(args.env, args[0]));
  if (found == hooked.end()) return undefined(args.env);
  Hooks& hooks = *found->second;
  for (auto& [node, key] : hooks.nodes) node->del_post_hook(key);
  napi_delete_reference(args.env, hooks.callback);
  hooked.erase(found);
  return undefined(args.env);
}

}  // namespace

void tellLateGradients() {
  for (auto& [id, hooks] : hooked) {
    for (int64_t index; hooks->takeLate(index);) hooks->tell(index);
  }
}

void initGradientHooks(napi_env env, napi_value exports) {
  exportFunction(env, exports, "hookGradients", hookGradients);
  exportFunction(env, exports, "unhookGradients", unhookGradients);
}

}  // namespace mfm
