// Everything about tensors that is not an operator: conversion from and to typed arrays, if
// possible without copying, and properties.
#include "bridge.h"

#include <cstring>
#include <mutex>

namespace mfm {

namespace {

// References to JavaScript buffers whose tensors were freed on another thread; deleted later.
std::mutex deadMutex;
std::vector<napi_ref> deadReferences;

void dropDeadReferences(napi_env env) {
  std::lock_guard<std::mutex> lock(deadMutex);
  for (napi_ref reference : deadReferences) napi_delete_reference(env, reference);
  deadReferences.clear();
}

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;
};

Buffer bufferOf(napi_env env, napi_value value) {
  Buffer buffer;
  bool isTyped = false;
  napi_is_typedarray(env, value, &isTyped);
  if (!isTyped) throw std::runtime_error("expected a typed array");
  napi_typedarray_type type;
  size_t length = 0;
  napi_value arrayBuffer;
  size_t offset = 0;
  check(env,
        napi_get_typedarray_info(env, value, &type, &length, &buffer.data, &arrayBuffer, &offset),
        "typed array");
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array: buffer.bytes = length; break;
    case napi_int16_array:
    case napi_uint16_array: buffer.bytes = length * 2; break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array: buffer.bytes = length * 4; break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array: buffer.bytes = length * 8; break;
    default: throw std::runtime_error("this kind of typed array is not supported");
  }
  return buffer;
}

// Throws for memory that could disappear or change its size while a tensor uses it.
void expectFixed(napi_env env, napi_value typedArray) {
  napi_value buffer, resizable;
  bool detached = false, can = false;
  check(env, napi_get_typedarray_info(env, typedArray, nullptr, nullptr, nullptr, &buffer, nullptr),
        "typed array");
  napi_is_detached_arraybuffer(env, buffer, &detached);
  if (detached) throw std::runtime_error("fromArray: the array's memory was given away");
  for (const char* name : {"resizable", "growable"}) {
    check(env, napi_get_named_property(env, buffer, name, &resizable), name);
    if (napi_get_value_bool(env, resizable, &can) == napi_ok && can) {
      throw std::runtime_error(
          "fromArray: the array's memory can change its size; make it without maxByteLength, or copy it");
    }
  }
}

// fromBuffer(typed array, shape, dtype code, copy: boolean): handle
napi_value fromBuffer(Args& args) {
  napi_env env = args.env;
  dropDeadReferences(env);
  std::vector<int64_t> shape = toInts(env, args[1]);
  at::ScalarType dtype = toDtype(env, args[2]);
  const bool copy = toBool(env, args[3]);
  Buffer buffer = bufferOf(env, args[0]);  // last, since reading an array may run JavaScript
  if (countBytes(shape, dtype) != buffer.bytes) {
    throw std::runtime_error("fromArray: the shape needs " +
                             std::to_string(countElements(shape)) + " elements of " +
                             c10::toString(dtype) + ", but the array holds " +
                             std::to_string(buffer.bytes) + " bytes");
  }
  if (copy) {
    at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
    if (buffer.bytes > 0) std::memcpy(tensor.data_ptr(), buffer.data, buffer.bytes);
    return fromDouble(env, addTensor(tensor));
  }
  expectFixed(env, args[0]);
  if (reinterpret_cast<uintptr_t>(buffer.data) % c10::elementSize(dtype) != 0) {
    throw std::runtime_error(std::string("fromArray: the array is not aligned for ") +
                             c10::toString(dtype));
  }
  napi_ref reference;
  check(env, napi_create_reference(env, args[0], 1, &reference), "fromArray");
  auto free = [env, reference](void*) {
    if (onJsThread()) {
      napi_delete_reference(env, reference);
    } else {
      std::lock_guard<std::mutex> lock(deadMutex);
      deadReferences.push_back(reference);
    }
  };
  return fromDouble(
      env, addTensor(at::from_blob(buffer.data, shape, free, at::TensorOptions().dtype(dtype))));
}

const at::Tensor& readable(napi_env env, napi_value value, const char* who) {
  const at::Tensor& tensor = tensorArg(env, value);
  if (!tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw std::runtime_error(std::string(who) + ": needs a contiguous tensor on the cpu");
  }
  return tensor;
}

// copyOut(tensor, typed array): copies the elements
napi_value copyOut(Args& args) {
  const at::Tensor& tensor = readable(args.env, args[0], "toArray");
  Buffer buffer = bufferOf(args.env, args[1]);
  if (buffer.bytes != tensor.nbytes()) throw std::runtime_error("toArray: sizes differ");
  if (buffer.bytes > 0) std::memcpy(buffer.data, tensor.data_ptr(), buffer.bytes);
  return undefined(args.env);
}

// view(tensor): ArrayBuffer over the tensor's own memory, which it keeps alive
napi_value view(Args& args) {
  const at::Tensor& tensor = readable(args.env, args[0], "data");
  auto* owner = new at::Tensor(tensor);
  napi_value result;
  napi_status status = napi_create_external_arraybuffer(
      args.env, tensor.data_ptr(), tensor.nbytes(),
      [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, owner, &result);
  if (status != napi_ok) delete owner;
  check(args.env, status, "data");
  return result;
}

// What is said of a tensor without its values is true of one whose file cannot be read as well.
const at::Tensor& described(Args& args) { return tensorAt(toInt(args.env, args[0])); }

napi_value shape(Args& args) { return fromInts(args.env, described(args).sizes()); }
napi_value stride(Args& args) { return fromInts(args.env, described(args).strides()); }
napi_value dtype(Args& args) {
  return fromDouble(args.env, static_cast<int>(described(args).scalar_type()));
}
napi_value device(Args& args) { return fromString(args.env, described(args).device().str()); }
napi_value numel(Args& args) {
  return fromDouble(args.env, static_cast<double>(described(args).numel()));
}
napi_value isContiguous(Args& args) { return fromBool(args.env, described(args).is_contiguous()); }
// alias(tensor): a second handle to the same tensor
napi_value alias(Args& args) {
  return fromDouble(args.env, addTensor(tensorArg(args.env, args[0])));
}

}  // namespace

void initTensors(napi_env env, napi_value exports) {
  exportFunction(env, exports, "fromBuffer", fromBuffer);
  exportFunction(env, exports, "copyOut", copyOut);
  exportFunction(env, exports, "view", view);
  exportFunction(env, exports, "shape", shape);
  exportFunction(env, exports, "stride", stride);
  exportFunction(env, exports, "dtype", dtype);
  exportFunction(env, exports, "device", device);
  exportFunction(env, exports, "numel", numel);
  exportFunction(env, exports, "isContiguous", isContiguous);
  exportFunction(env, exports, "alias", alias);
}

}  // namespace mfm
