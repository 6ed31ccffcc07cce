// The basis of the bridge: N-API shorthand, the tensor table, exports and error handling.
#include "bridge.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <thread>

namespace mfm {

namespace {

std::thread::id jsThread;
napi_ref errorClass = nullptr;
// Never destroyed, since the order of destruction across libraries at exit is out of our control.
// Slot 0 stays empty: handle 0 means "no tensor".
std::vector<at::Tensor>& table = *new std::vector<at::Tensor>(1);
std::vector<uint32_t>& freeSlots = *new std::vector<uint32_t>();

void releaseTensor(int64_t handle) {
  if (handle <= 0 || handle >= static_cast<int64_t>(table.size())) return;
  // a slot freed twice would later be given to two tensors
  if (!table[handle].defined()) return;
  table[handle] = at::Tensor();
  freeSlots.push_back(static_cast<uint32_t>(handle));
}

struct Export {
  std::string name;
  Function function;
};

// Prefixes a message with the function's name, "backward: …", unless it already starts with it.
std::string named(const std::string& name, const std::string& message) {
  const std::string prefix = name + ": ";
  return message.compare(0, prefix.size(), prefix) == 0 ? message : prefix + message;
}

napi_value operatorError(napi_env env, const std::string& message) {
  napi_value constructor, error, text = fromString(env, message);
  if (errorClass != nullptr) {
    napi_get_reference_value(env, errorClass, &constructor);
    if (napi_new_instance(env, constructor, 1, &text, &error) == napi_ok) return error;
  }
  napi_create_error(env, nullptr, text, &error);
  return error;
}

struct Aside {
  std::string name;
  std::function<void()> work;
  std::function<napi_value(napi_env)> result;
  std::string problem;
  napi_deferred deferred = nullptr;
  napi_threadsafe_function done = nullptr;
};

// Runs on the JavaScript thread once the work is done; `env` is null if Node.js is shutting down.
void settle(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Aside> aside(static_cast<Aside*>(data));
  if (env == nullptr) return;
  if (aside->problem.empty()) {
    napi_resolve_deferred(env, aside->deferred, aside->result(env));
  } else {
    napi_reject_deferred(env, aside->deferred, operatorError(env, aside->problem));
  }
}

napi_value callGuarded(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  Args args;
  args.env = env;
  if (napi_get_cb_info(env, info, &args.count, args.values, nullptr, &data) != napi_ok) {
    return nullptr;
  }
  if (args.count > kMaxArgs) args.count = kMaxArgs;
  const Export& exported = *static_cast<Export*>(data);
  napi_value result = nullptr;
  try {
    result = exported.function(args);
  } catch (const UnreadableFile& error) {
    throwOperatorError(env, error.what());
  } catch (const c10::Error& error) {
    throwOperatorError(env, named(exported.name, firstLine(error.what_without_backtrace())));
  } catch (const std::exception& error) {
    throwOperatorError(env, named(exported.name, firstLine(error.what())));
  } catch (...) {
    throwOperatorError(env, named(exported.name, "failed without an error message"));
  }
  try {
    expectFilesWhole();
  } catch (const std::exception& error) {
    throwOperatorError(env, error.what());
  }
  return result;
}

// release(handles: number | number[])
napi_value release(Args& args) {
  int64_t single = 0;
  if (napi_get_value_int64(args.env, args[0], &single) == napi_ok) {
    releaseTensor(single);
    return nullptr;
  }
  releaseTensors(toInts(args.env, args[0]));
  return undefined(args.env);
}

napi_value liveTensors(Args& args) {
  return fromDouble(args.env, static_cast<double>(table.size() - 1 - freeSlots.size()));
}

// setErrorClass(constructor): the class of operator errors
napi_value setErrorClass(Args& args) {
  napi_ref before = errorClass;
  errorClass = toCallback(args.env, args[0]);
  if (before != nullptr) napi_delete_reference(args.env, before);
  return undefined(args.env);
}

}  // namespace

void check(napi_env env, napi_status status, const char* what) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  std::string reason = info && info->error_message ? info->error_message : "invalid argument";
  throw std::runtime_error(std::string(what) + ": " + reason);
}

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type;
}

bool isNullish(napi_env env, napi_value value) {
  napi_valuetype type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}

double toDouble(napi_env env, napi_value value) {
  double result;
  check(env, napi_get_value_double(env, value, &result), "number");
  return result;
}

int64_t toInt(napi_env env, napi_value value) {
  int64_t result;
  if (napi_get_value_int64(env, value, &result) == napi_ok) return result;
  bool lossless = true;
  check(env, napi_get_value_bigint_int64(env, value, &result, &lossless), "integer");
  return result;
}

bool toBool(napi_env env, napi_value value) {
  bool result;
  check(env, napi_get_value_bool(env, value, &result), "boolean");
  return result;
}

std::string toString(napi_env env, napi_value value) {
  size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length), "string");
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, &result[0], length + 1, &length);
  return result;
}

std::vector<int64_t> toInts(napi_env env, napi_value value) {
  bool isArray = false;
  napi_is_array(env, value, &isArray);
  if (!isArray) return {toInt(env, value)};
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  std::vector<int64_t> result;
  result.reserve(std::min<uint32_t>(length, 1024));  // a sparse array may claim any length
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element), "array");
    result.push_back(toInt(env, element));
  }
  return result;
}

at::ScalarType toDtype(napi_env env, napi_value value) {
  const int64_t code = toInt(env, value);
  const auto dtype = static_cast<at::ScalarType>(code);
  const bool isKnown = code >= 0 && code < static_cast<int64_t>(at::ScalarType::Undefined) &&
                       (c10::isIntegralType(dtype, /*includeBool=*/true) ||
                        c10::isFloatingType(dtype));
  if (!isKnown) throw std::runtime_error("unknown element type " + std::to_string(code));
  return dtype;
}

napi_ref toCallback(napi_env env, napi_value value) {
  if (typeOf(env, value) != napi_function) throw std::runtime_error("expected a function");
  napi_ref reference;
  check(env, napi_create_reference(env, value, 1, &reference), "function");
  return reference;
}

int64_t countElements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
      throw std::runtime_error("sizes must not be negative or too large, got " +
                               std::to_string(size));
    }
  }
  return count;
}

size_t countBytes(const std::vector<int64_t>& shape, at::ScalarType dtype) {
  int64_t bytes = 0;
  const auto each = static_cast<int64_t>(c10::elementSize(dtype));
  if (__builtin_mul_overflow(countElements(shape), each, &bytes)) {
    throw std::runtime_error("the tensor is too large");
  }
  return static_cast<size_t>(bytes);
}

napi_value fromDouble(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value fromBool(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value fromString(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value fromInts(napi_env env, at::IntArrayRef values) {
  napi_value result;
  napi_create_array_with_length(env, values.size(), &result);
  for (size_t i = 0; i < values.size(); i++) {
    napi_set_element(env, result, i, fromDouble(env, static_cast<double>(values[i])));
  }
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}

uint32_t addTensor(at::Tensor tensor) {
  if (!tensor.defined()) return 0;
  if (freeSlots.empty()) {
    table.push_back(std::move(tensor));
    return static_cast<uint32_t>(table.size() - 1);
  }
  uint32_t handle = freeSlots.back();
  freeSlots.pop_back();
  table[handle] = std::move(tensor);
  return handle;
}

void releaseTensors(const std::vector<int64_t>& handles) {
  for (int64_t handle : handles) releaseTensor(handle);
}

const at::Tensor& tensorAt(int64_t handle) {
  if (handle <= 0 || handle >= static_cast<int64_t>(table.size()) || !table[handle].defined()) {
    throw std::runtime_error("the tensor has been freed");
  }
  return table[handle];
}

const at::Tensor& tensorArg(napi_env env, napi_value value) {
  int64_t handle = 0;
  check(env, napi_get_value_int64(env, value, &handle), "tensor");
  const at::Tensor& tensor = tensorAt(handle);
  expectReadable(tensor);
  return tensor;
}

void exportFunction(napi_env env, napi_value exports, const char* name, Function function) {
  napi_value value;
  // never freed, since Node.js may call the function until the process ends
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callGuarded, new Export{name, function},
                       &value);
  napi_set_named_property(env, exports, name, value);
}

void throwOperatorError(napi_env env, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return;  // keep the earlier error, thrown by JavaScript that C++ called
  napi_throw(env, operatorError(env, message));
}

napi_value runAside(napi_env env, const char* name, std::function<void()> work,
                    std::function<napi_value(napi_env)> result) {
  auto* aside = new Aside{name, std::move(work), std::move(result)};
  napi_value promise;
  check(env, napi_create_promise(env, &aside->deferred, &promise), name);
  check(env,
        napi_create_threadsafe_function(env, nullptr, nullptr, fromString(env, name), 0, 1, nullptr,
                                        nullptr, nullptr, settle, &aside->done),
        name);
  std::thread([aside] {
    try {
      aside->work();
    } catch (const c10::Error& error) {
      aside->problem = named(aside->name, firstLine(error.what_without_backtrace()));
    } catch (const std::exception& error) {
      aside->problem = named(aside->name, firstLine(error.what()));
    } catch (...) {
      aside->problem = named(aside->name, "failed without an error message");
    }
    napi_threadsafe_function done = aside->done;
    napi_call_threadsafe_function(done, aside, napi_tsfn_blocking);
    napi_release_threadsafe_function(done, napi_tsfn_release);
  }).detach();
  return promise;
}

std::string firstLine(const std::string& message) {
  size_t end = message.find("\nException raised from");
  std::string text = message.substr(0, end);
  end = text.find('\n');
  return text.substr(0, end);
}

bool onJsThread() { return std::this_thread::get_id() == jsThread; }

void initTable(napi_env env, napi_value exports) {
  jsThread = std::this_thread::get_id();
  exportFunction(env, exports, "release", release);
  exportFunction(env, exports, "liveTensors", liveTensors);
  exportFunction(env, exports, "setErrorClass", setErrorClass);
}

}  // namespace mfm

NAPI_MODULE_INIT() {
  using namespace mfm;
  initTable(env, exports);
  initSystem(env, exports);
  initDevices(env, exports);
  initMeta(env, exports);
  initMemory(env, exports);
  initDispatch(env, exports);
  initTensors(env, exports);
  initAutograd(env, exports);
  initGradientHooks(env, exports);
  initRandom(env, exports);
  initFiles(env, exports);
  initDistributed(env, exports);
  initPulse(env, exports);
  initSignals(env, exports);
  return exports;
}
