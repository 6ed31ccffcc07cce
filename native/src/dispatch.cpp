// The single entry to all operators: looks an operator up by name, converts the arguments by its
// own schema, calls it boxed, and converts the results. No operator is special-cased in this file.
#include "bridge.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <cmath>
#include <sstream>
#include <unordered_map>

namespace mfm {

namespace {

struct Operator {
  c10::OperatorHandle handle;
  bool returnsArgument;  // in-place and out= forms: JavaScript already has the result
};
std::vector<Operator>& operators = *new std::vector<Operator>();
std::unordered_map<std::string, uint32_t>& operatorIds =
    *new std::unordered_map<std::string, uint32_t>();

c10::OperatorName parseName(const std::string& name) {
  size_t colons = name.find("::");
  size_t dot = name.find('.', colons == std::string::npos ? 0 : colons);
  if (dot == std::string::npos) return c10::OperatorName(name, "");
  return c10::OperatorName(name.substr(0, dot), name.substr(dot + 1));
}

at::Scalar toScalar(napi_env env, napi_value value) {
  if (typeOf(env, value) == napi_boolean) return at::Scalar(toBool(env, value));
  if (typeOf(env, value) == napi_bigint) return at::Scalar(toInt(env, value));
  double number = toDouble(env, value);
  // a whole number is an int Scalar, so that integer tensors stay integer
  if (number == std::floor(number) && std::fabs(number) < 9007199254740992.0) {
    return at::Scalar(static_cast<int64_t>(number));
  }
  return at::Scalar(number);
}

at::Tensor toTensor(napi_env env, napi_value value) { return tensorArg(env, value); }

template <typename T, typename Convert>
c10::List<T> toList(napi_env env, napi_value value, int32_t broadcast, Convert convert) {
  c10::List<T> list;
  bool isArray = false;
  napi_is_array(env, value, &isArray);
  if (!isArray) {  // a single number stands for all N, as in `int[2] stride=1`
    for (int32_t i = 0; i < broadcast; i++) list.push_back(convert(env, value));
    return list;
  }
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element), "array");
    list.push_back(convert(env, element));
  }
  return list;
}

// c10::optional in LibTorch 1.13, std::optional later
using OptionalTensor = decltype(std::declval<const c10::IValue&>().toOptional<at::Tensor>());

c10::IValue toListValue(napi_env env, napi_value value, const c10::TypePtr& element,
                        int32_t n) {
  switch (element->kind()) {
    case c10::TypeKind::TensorType:
      return toList<at::Tensor>(env, value, n, toTensor);
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      return toList<double>(env, value, n, toDouble);
    case c10::TypeKind::BoolType:
      return toList<bool>(env, value, n, toBool);
    case c10::TypeKind::NumberType:
      return toList<at::Scalar>(env, value, n, toScalar);
    case c10::TypeKind::OptionalType: {  // Tensor?[], as `index` takes
      c10::List<OptionalTensor> list;
      uint32_t length = 0;
      check(env, napi_get_array_length(env, value, &length), "array");
      for (uint32_t i = 0; i < length; i++) {
        napi_value item;
        check(env, napi_get_element(env, value, i, &item), "array");
        list.push_back(isNullish(env, item) ? OptionalTensor()
                                            : OptionalTensor(tensorArg(env, item)));
      }
      return list;
    }
    default:
      return toList<int64_t>(env, value, n, toInt);
  }
}

int64_t codeBelow(napi_env env, napi_value value, int64_t end) {
  const int64_t code = toInt(env, value);
  if (code >= 0 && code < end) return code;
  throw std::runtime_error("must be a code from 0 to " + std::to_string(end - 1) + ", got " +
                           std::to_string(code));
}

// `n`: how often a single number is repeated if a list is expected (`int[2] stride=1`)
c10::IValue toIValue(napi_env env, napi_value value, const c10::TypePtr& type, int32_t n) {
  switch (type->kind()) {
    case c10::TypeKind::OptionalType:
      if (isNullish(env, value)) return c10::IValue();
      return toIValue(env, value, type->castRaw<c10::OptionalType>()->getElementType(), n);
    case c10::TypeKind::TensorType:
      return tensorArg(env, value);
    case c10::TypeKind::ListType:
      return toListValue(env, value, type->castRaw<c10::ListType>()->getElementType(), n);
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      return toDouble(env, value);
    case c10::TypeKind::BoolType:
      return toBool(env, value);
    case c10::TypeKind::NumberType:
      return toScalar(env, value);
    case c10::TypeKind::StringType:
      return toString(env, value);
    case c10::TypeKind::DeviceObjType:
      return c10::Device(toString(env, value));
    case c10::TypeKind::GeneratorType:
      return generatorArg(env, value);
    // operators do not check these codes themselves
    case c10::TypeKind::ScalarTypeType:
      return codeBelow(env, value, static_cast<int64_t>(at::ScalarType::Undefined));
    case c10::TypeKind::LayoutType:
      return codeBelow(env, value, static_cast<int64_t>(at::Layout::NumOptions));
    case c10::TypeKind::MemoryFormatType:
      return codeBelow(env, value, static_cast<int64_t>(at::MemoryFormat::NumOptions));
    default:  // int, SymInt
      if (typeOf(env, value) == napi_boolean) return static_cast<int64_t>(toBool(env, value));
      return toInt(env, value);
  }
}

napi_value fromIValue(napi_env env, const c10::IValue& value) {
  if (value.isTensor()) {
    napi_value handle;
    napi_create_uint32(env, addTensor(value.toTensor()), &handle);
    return handle;
  }
  if (value.isInt()) return fromDouble(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return fromDouble(env, value.toDouble());
  if (value.isBool()) return fromBool(env, value.toBool());
  if (value.isScalar()) return fromDouble(env, value.toScalar().toDouble());
  if (value.isString()) return fromString(env, value.toStringRef());
  if (value.isList()) {
    auto list = value.toListRef();
    napi_value result;
    napi_create_array_with_length(env, list.size(), &result);
    for (size_t i = 0; i < list.size(); i++) {
      napi_set_element(env, result, i, fromIValue(env, list[i]));
    }
    return result;
  }
  return undefined(env);
}

// The tensors that an operator received, for error messages: " (got self [2, 3] Float, other [4]
// Float)"
std::string describeArguments(const Operator& op, const Args& args) {
  std::string text;
  const auto& arguments = op.handle.schema().arguments();
  for (size_t i = 0; i < arguments.size() && i + 1 < args.count; i++) {
    if (arguments[i].type()->kind() != c10::TypeKind::TensorType) continue;
    uint32_t handle = 0;
    if (napi_get_value_uint32(args.env, args[i + 1], &handle) != napi_ok || handle == 0) continue;
    const at::Tensor& tensor = tensorAt(handle);
    text += (text.empty() ? "" : ", ") + arguments[i].name() + " [";
    for (int64_t d = 0; d < tensor.dim(); d++) {
      text += (d ? ", " : "") + std::to_string(tensor.size(d));
    }
    text += std::string("] ") + c10::toString(tensor.scalar_type());
  }
  return text.empty() ? "" : " (got " + text + ")";
}

// "aten::add: " or "aten::add: argument 'other': "
std::string where(const c10::FunctionSchema& schema, size_t argument) {
  if (argument == SIZE_MAX) return schema.name() + ": ";
  return schema.name() + ": argument '" + schema.arguments()[argument].name() + "': ";
}

// On the meta device no values are read, so most operators would not notice a tensor that was left
// on another device by mistake. Tensors without dimensions may be on the CPU, as for any device.
void expectNoMetaMix(const torch::jit::Stack& stack) {
  bool meta = false, other = false;
  const auto look = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    if (tensor.is_meta()) meta = true;
    else other |= tensor.dim() > 0;
  };
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) look(value.toTensor());
    else if (value.isTensorList()) for (const at::Tensor& one : value.toTensorVector()) look(one);
  }
  if (meta && other) throw std::runtime_error("tensors on meta and on another device do not mix");
}

// call(operator id, ...arguments in schema order): missing arguments take the schema's defaults.
// Returns a handle, number, boolean, string, an array of these, or undefined (in-place forms).
napi_value callOperator(Args& args) {
  uint32_t id = 0;
  check(args.env, napi_get_value_uint32(args.env, args[0], &id), "call");
  if (id >= operators.size()) throw std::runtime_error("call: unknown operator id");
  const Operator& op = operators[id];
  const c10::FunctionSchema& schema = op.handle.schema();
  size_t converting = SIZE_MAX;  // the argument being converted, for messages
  try {
    torch::jit::Stack stack;
    const auto& arguments = schema.arguments();
    for (size_t i = arguments.size() + 1; i < args.count; i++) {
      if (typeOf(args.env, args[i]) == napi_undefined) continue;
      throw std::runtime_error("takes " + std::to_string(arguments.size()) +
                               (arguments.size() == 1 ? " argument, got " : " arguments, got ") +
                               std::to_string(args.count - 1));
    }
    stack.reserve(arguments.size());
    for (size_t i = 0; i < arguments.size(); i++) {
      const c10::Argument& argument = arguments[i];
      napi_value value = args[i + 1];
      bool absent = typeOf(args.env, value) == napi_undefined;
      if (absent && argument.default_value()) {
        stack.push_back(*argument.default_value());
        continue;
      }
      converting = i;
      stack.push_back(toIValue(args.env, value, argument.real_type(),
                               argument.N().value_or(1)));
    }
    converting = SIZE_MAX;
    expectNoMetaMix(stack);
    op.handle.callBoxed(&stack);
    if (op.returnsArgument || stack.empty()) return undefined(args.env);
    if (stack.size() == 1) return fromIValue(args.env, stack[0]);
    napi_value results;
    napi_create_array_with_length(args.env, stack.size(), &results);
    for (size_t i = 0; i < stack.size(); i++) {
      napi_set_element(args.env, results, i, fromIValue(args.env, stack[i]));
    }
    return results;
  } catch (const UnreadableFile&) {
    throw;
  } catch (const c10::Error& error) {
    throwOperatorError(args.env, where(schema, converting) +
                                     firstLine(error.what_without_backtrace()) +
                                     describeArguments(op, args));
  } catch (const std::exception& error) {
    throwOperatorError(args.env, where(schema, converting) + firstLine(error.what()));
  }
  return nullptr;
}

// operatorId(name: string): number, or -1 if this LibTorch has no such operator
napi_value operatorId(Args& args) {
  std::string name = toString(args.env, args[0]);
  auto found = operatorIds.find(name);
  if (found != operatorIds.end()) return fromDouble(args.env, found->second);
  auto handle = c10::Dispatcher::singleton().findSchema(parseName(name));
  if (!handle) return fromDouble(args.env, -1);
  bool returnsArgument = false;
  for (const auto& result : handle->schema().returns()) {
    returnsArgument |= result.alias_info() != nullptr && result.alias_info()->isWrite();
  }
  operators.push_back({*handle, returnsArgument});
  operatorIds[name] = operators.size() - 1;
  return fromDouble(args.env, operators.size() - 1);
}

// operatorSchema(id): the schema as LibTorch prints it
napi_value operatorSchema(Args& args) {
  const auto& schema = operators.at(toInt(args.env, args[0])).handle.schema();
  std::ostringstream text;
  text << schema;
  return fromString(args.env, text.str());
}

}  // namespace

void initDispatch(napi_env env, napi_value exports) {
  exportFunction(env, exports, "call", callOperator);
  exportFunction(env, exports, "operatorId", operatorId);
  exportFunction(env, exports, "operatorSchema", operatorSchema);
}

}  // namespace mfm
