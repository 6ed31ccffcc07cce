// A device for tests that behaves like a GPU: its tensors do not mix with the CPU's, its random
// numbers are not the CPU's (so it refuses to draw any), and the backward pass runs on a thread of
// its own. Its values are those of the CPU, operator by operator, since its memory is the CPU's. It
// counts what costs time on a GPU: copies in either direction, and waits for the device.
//
// It is LibTorch's PrivateUse1, the key for backends outside of LibTorch: an allocator, a guard,
// `empty`, copies and convolutions are registered; everything else, view operators too, goes through
// one fallback. That shows the device's tensors to the CPU's operator as tensors over the same memory.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <node_api.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>

namespace {

using at::Tensor;
using c10::IValue;

constexpr auto kShadow = c10::DeviceType::PrivateUse1;
const c10::Device device(kShadow, 0);

struct Counters {
  std::atomic<int64_t> uploads{0}, uploadedBytes{0};      // from the CPU
  std::atomic<int64_t> downloads{0}, downloadedBytes{0};  // to the CPU
  std::atomic<int64_t> waits{0};       // a GPU's caller would block until all its work is done
  std::atomic<int64_t> operators{0};   // calls of operators
  std::atomic<int64_t> held{0}, peak{0};  // bytes

  void hold(int64_t bytes) {
    const int64_t now = held += bytes;
    int64_t before = peak;
    while (now > before && !peak.compare_exchange_weak(before, now)) {
    }
  }
};
Counters& counters = *new Counters();

// With SHADOW_TRACE=1: the operators that wait, on stderr.
void wait(const std::string& why) {
  static const bool traces = std::getenv("SHADOW_TRACE") != nullptr;
  if (traces) fprintf(stderr, "shadow: waits for %s\n", why.c_str());
  ++counters.waits;
}

// ---- memory: the CPU's, held by storages of the device ----

struct Held {
  c10::Storage storage;  // of the CPU
  int64_t bytes;
};

// `data` of a storage is const from LibTorch 2.1 on
void* dataOf(const c10::Storage& storage) { return storage.data_ptr().get(); }

c10::DataPtr hold(c10::Storage storage) {
  const auto bytes = static_cast<int64_t>(storage.nbytes());
  void* data = dataOf(storage);
  counters.hold(bytes);
  const auto drop = [](void* context) {
    auto* held = static_cast<Held*>(context);
    counters.held -= held->bytes;
    delete held;
  };
  return {data, new Held{std::move(storage), bytes}, drop, device};
}

// the device's memory; 0: all that the machine has
std::atomic<int64_t> limit{0};

struct Allocator final : c10::Allocator {
  // Both forms: LibTorch 1.13 declares it const, later versions do not.
  c10::DataPtr allocate(size_t bytes) const { return take(bytes); }
  c10::DataPtr allocate(size_t bytes) { return take(bytes); }
  void copy_data(void* to, const void* from, std::size_t bytes) const {
    std::memcpy(to, from, bytes);
  }

 private:
  static c10::DataPtr take(size_t bytes) {
    if (limit > 0 && counters.held + static_cast<int64_t>(bytes) > limit) {
      TORCH_CHECK(false, "shadow out of memory. Tried to allocate ", bytes, " bytes");
    }
    c10::Allocator* cpu = c10::GetAllocator(c10::DeviceType::CPU);
    return hold(c10::Storage(c10::Storage::use_byte_size_t(), bytes, cpu, /*resizable=*/false));
  }
};
Allocator& allocator = *new Allocator();

const c10::DispatchKeySet keys(c10::DispatchKey::PrivateUse1);

// ---- the device's tensors as the CPU's, for one call ----

class Shown {
 public:
  // A tensor of the CPU over the same memory; tensors of other devices stay.
  Tensor show(const Tensor& tensor) {
    if (!tensor.defined() || tensor.device().type() != kShadow) return tensor;
    auto* own = tensor.storage().unsafeGetStorageImpl();
    auto& storage = shown_[own];
    if (!storage) {
      // the device's storage lives as long as the CPU's tensors over its memory
      const auto drop = [](void* context) { delete static_cast<c10::Storage*>(context); };
      c10::DataPtr data(dataOf(tensor.storage()), new c10::Storage(tensor.storage()), drop,
                        c10::Device(c10::DeviceType::CPU));
      storage = c10::Storage(c10::Storage::use_byte_size_t(), own->nbytes(), std::move(data),
                             c10::GetAllocator(c10::DeviceType::CPU), /*resizable=*/true);
      own_.emplace(storage.unsafeGetStorageImpl(), tensor.storage());
    }
    Tensor cpu = at::detail::make_tensor<c10::TensorImpl>(
        c10::Storage(storage), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
    cpu.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                     tensor.storage_offset());
    if (tensor.is_conj()) cpu._set_conj(true);
    if (tensor.is_neg()) cpu._set_neg(true);
    return cpu;
  }

  // A result of the CPU's operator as the device's: over a shown tensor's memory where it is a view.
  Tensor take(const Tensor& cpu) {
    if (!cpu.defined() || cpu.device().type() != c10::DeviceType::CPU) return cpu;
    auto* storage = cpu.storage().unsafeGetStorageImpl();
    auto& own = own_[storage];
    if (!own) {
      own = c10::Storage(c10::Storage::use_byte_size_t(), storage->nbytes(), hold(cpu.storage()),
                         &allocator, /*resizable=*/true);
    }
    Tensor tensor =
        at::detail::make_tensor<c10::TensorImpl>(c10::Storage(own), keys, cpu.dtype());
    tensor.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides(),
                                                        cpu.storage_offset());
    return tensor;
  }

  // After an operator that writes: the tensor takes the size, and the memory, that it has now.
  void update(const Tensor& tensor, const Tensor& cpu) {
    if (!tensor.defined() || tensor.device().type() != kShadow) return;
    auto* own = tensor.storage().unsafeGetStorageImpl();
    if (dataOf(cpu.storage()) != dataOf(tensor.storage())) {
      own->set_data_ptr(hold(cpu.storage()));
      own->set_nbytes(cpu.storage().nbytes());
    }
    if (tensor.sizes() != cpu.sizes() || tensor.strides() != cpu.strides()) {
      tensor.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides(),
                                                          cpu.storage_offset());
    }
  }

 private:
  std::unordered_map<c10::StorageImpl*, c10::Storage> shown_;  // by the device's storage
  std::unordered_map<c10::StorageImpl*, c10::Storage> own_;    // by the CPU's
};

// ---- all operators without a kernel of their own ----

// Operators whose result's size, or whose value, a GPU's caller has to wait for.
bool waits(const c10::OperatorHandle& op, const torch::jit::Stack& stack, size_t begin) {
  static const std::unordered_map<std::string, bool> sized = {
      {"aten::nonzero", true},       {"aten::masked_select", true}, {"aten::_unique2", true},
      {"aten::unique_dim", true},    {"aten::bincount", true},      {"aten::equal", true},
      {"aten::_unique", true},       {"aten::is_nonzero", true},    {"aten::_local_scalar_dense", true},
      {"aten::repeat_interleave", true},
  };
  if (sized.count(op.schema().name())) return true;
  if (op.schema().name().rfind("aten::index", 0) != 0) return false;
  for (size_t i = begin; i < stack.size(); i++) {  // a mask in place of places
    if (!stack[i].isList()) continue;
    for (const IValue& one : stack[i].toListRef()) {
      if (one.isTensor() && one.toTensor().defined() &&
          one.toTensor().scalar_type() == at::kBool) {
        return true;
      }
    }
  }
  return false;
}

void expectOwn(const c10::OperatorHandle& op, const Tensor& tensor) {
  if (!tensor.defined() || tensor.device().type() == kShadow) return;
  // as on a GPU, a number may be the CPU's
  TORCH_CHECK(tensor.dim() == 0 && tensor.device().is_cpu(),
              "expected all tensors to be on the same device, but found at least two devices, ", device,
              " and ", tensor.device(), " (", op.schema().name(), ")");
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size(), begin = stack->size() - count;
  ++counters.operators;
  if (waits(op, *stack, begin)) wait(schema.name());
  Shown shown;
  std::vector<std::pair<Tensor, Tensor>> written;
  std::vector<IValue> given(stack->begin() + static_cast<int64_t>(begin), stack->end());
  for (size_t i = 0; i < count; i++) {
    IValue& value = (*stack)[begin + i];
    const c10::Argument& argument = schema.arguments()[i];
    // an operator that draws has an argument for it; copies and dropout without chance do not reach this
    TORCH_CHECK(argument.type()->str() != "Generator?" && argument.type()->str() != "Generator",
                schema.name(), ": draws random numbers on ", device,
                ", which differ from device to device; draw them on the CPU");
    const bool writes = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    const auto show = [&](const Tensor& tensor) {
      expectOwn(op, tensor);
      Tensor cpu = shown.show(tensor);
      if (writes) written.emplace_back(tensor, cpu);
      return cpu;
    };
    if (value.isTensor()) {
      value = show(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(show(tensor));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<c10::optional<Tensor>> list;
      for (const c10::optional<Tensor>& tensor : value.toOptionalTensorVector()) {
        list.push_back(tensor.has_value() ? c10::optional<Tensor>(show(*tensor)) : tensor);
      }
      value = list;
    } else if (value.isDevice()) {
      if (value.toDevice().type() == kShadow) value = c10::Device(c10::DeviceType::CPU);
    }
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (const auto& [tensor, cpu] : written) shown.update(tensor, cpu);

  const size_t results = schema.returns().size(), first = stack->size() - results;
  for (size_t i = 0; i < results; i++) {
    IValue& value = (*stack)[first + i];
    // what an operator returns of its arguments is the argument itself
    const c10::AliasInfo* alias = schema.returns()[i].alias_info();
    if (alias != nullptr && alias->isWrite()) {
      for (size_t k = 0; k < count; k++) {
        const c10::AliasInfo* other = schema.arguments()[k].alias_info();
        if (other != nullptr && *other == *alias) value = given[k];
      }
    } else if (value.isTensor()) {
      value = shown.take(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(shown.take(tensor));
      value = list;
    }
  }
}

// ---- what cannot fall back ----

c10::MemoryFormat formatOf(c10::optional<c10::MemoryFormat> format) {
  return format.value_or(c10::MemoryFormat::Contiguous);
}

Tensor empty(at::IntArrayRef size, c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
             c10::optional<at::Device>, c10::optional<bool>,
             c10::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, keys, dtype.value_or(at::kFloat),
                                   formatOf(format));
}

Tensor emptyStrided(at::IntArrayRef size, at::IntArrayRef stride,
                    c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                    c10::optional<at::Device>, c10::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator, keys,
                                           dtype.value_or(at::kFloat));
}

Tensor copyFrom(const Tensor& source, const Tensor& target, bool nonBlocking) {
  const bool from = source.device().type() == kShadow, to = target.device().type() == kShadow;
  const auto bytes = static_cast<int64_t>(source.nbytes());
  if (from && !to) {
    ++counters.downloads;
    counters.downloadedBytes += bytes;
    wait("a copy of " + std::to_string(bytes) + " bytes to the CPU");
  } else if (to && !from) {
    ++counters.uploads;
    counters.uploadedBytes += bytes;
    if (!nonBlocking) wait("a copy of " + std::to_string(bytes) + " bytes from the CPU");
  }
  Shown shown;
  shown.show(target).copy_(shown.show(source));
  return target;
}

Tensor copyFromAndResize(const Tensor& source, const Tensor& target) {
  target.resize_(source.sizes());
  return copyFrom(source, target, false);
}

Tensor convolution(const Tensor& input, const Tensor& weight, const c10::optional<Tensor>& bias,
                   at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                   bool transposed, at::IntArrayRef outputPadding, int64_t groups) {
  ++counters.operators;
  Shown shown;
  const Tensor b = bias.has_value() ? shown.show(*bias) : Tensor();
  return shown.take(at::convolution(shown.show(input), shown.show(weight), b, stride, padding,
                                    dilation, transposed, outputPadding, groups));
}

std::tuple<Tensor, Tensor, Tensor> convolutionBackward(
    const Tensor& gradient, const Tensor& input, const Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef outputPadding, int64_t groups, std::array<bool, 3> wanted) {
  ++counters.operators;
  Shown shown;
  const int64_t channels = transposed ? weight.size(1) * groups : weight.size(0);
  auto [dx, dw, db] =
      at::convolution_backward(shown.show(gradient), shown.show(input), shown.show(weight),
                               at::OptionalIntArrayRef(channels), stride, padding, dilation,
                               transposed, outputPadding, groups, wanted);
  return {shown.take(dx), shown.take(dw), shown.take(db)};
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}
TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", emptyStrided);
  library.impl("_copy_from", copyFrom);
  library.impl("_copy_from_and_resize", copyFromAndResize);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolutionBackward);
}

// ---- the guard: one device, one stream ----

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kShadow; }
  c10::Device exchangeDevice(c10::Device) const override { return device; }
  c10::Device getDevice() const override { return device; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

// ---- for JavaScript ----

// counts(): what has been counted since the last reset, and the bytes held
napi_value counts(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_object(env, &result);
  const std::pair<const char*, int64_t> all[] = {
      {"uploads", counters.uploads},     {"uploadedBytes", counters.uploadedBytes},
      {"downloads", counters.downloads}, {"downloadedBytes", counters.downloadedBytes},
      {"waits", counters.waits},         {"operators", counters.operators},
      {"heldBytes", counters.held},      {"peakBytes", counters.peak},
  };
  for (const auto& [name, count] : all) {
    napi_value number;
    napi_create_int64(env, count, &number);
    napi_set_named_property(env, result, name, number);
  }
  return result;
}

// reset(): begins to count anew; the peak begins with what is held
napi_value reset(napi_env env, napi_callback_info) {
  for (auto* counter : {&counters.uploads, &counters.uploadedBytes, &counters.downloads,
                        &counters.downloadedBytes, &counters.waits, &counters.operators}) {
    *counter = 0;
  }
  counters.peak = counters.held.load();
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  return undefined;
}

// setLimit(bytes): the device's memory, for `empty`; 0: no limit
napi_value setLimit(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value given, undefined;
  int64_t bytes = 0;
  napi_get_cb_info(env, info, &count, &given, nullptr, nullptr);
  napi_get_value_int64(env, given, &bytes);
  limit = bytes;
  napi_get_undefined(env, &undefined);
  return undefined;
}

}  // namespace

NAPI_MODULE_INIT() {
  c10::SetAllocator(kShadow, &allocator);
  for (const auto& [name, function] :
       {std::pair("counts", counts), std::pair("reset", reset), std::pair("setLimit", setLimit)}) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}
