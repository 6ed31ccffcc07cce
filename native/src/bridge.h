// Shared by every file of the bridge: N-API shorthand, the tensor table and the guard that turns
// C++ exceptions into JavaScript errors. One tensor handle is owned by one JavaScript object.
#pragma once

#include <ATen/ATen.h>
#define NAPI_VERSION 8
#include <node_api.h>

#include <functional>
#include <string>
#include <vector>

namespace mfm {

// ---- N-API shorthand: each throws std::runtime_error when the value has another type ----

void check(napi_env env, napi_status status, const char* what);
napi_valuetype typeOf(napi_env env, napi_value value);
bool isNullish(napi_env env, napi_value value);
double toDouble(napi_env env, napi_value value);
int64_t toInt(napi_env env, napi_value value);
bool toBool(napi_env env, napi_value value);
std::string toString(napi_env env, napi_value value);
std::vector<int64_t> toInts(napi_env env, napi_value value);  // array or one number
// The code of an element type that tensors are made with here.
at::ScalarType toDtype(napi_env env, napi_value value);
// A reference to a function, which the caller deletes.
napi_ref toCallback(napi_env env, napi_value value);
// Elements of a shape, and their bytes. Throws for a negative size, and where they are too many.
int64_t countElements(const std::vector<int64_t>& shape);
size_t countBytes(const std::vector<int64_t>& shape, at::ScalarType dtype);
napi_value fromDouble(napi_env env, double value);
napi_value fromBool(napi_env env, bool value);
napi_value fromString(napi_env env, const std::string& value);
napi_value fromInts(napi_env env, at::IntArrayRef values);
napi_value undefined(napi_env env);

// Handles that JavaScript values made in its scope live by; it ends with the block, also by an
// exception.
class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env(env) { napi_open_handle_scope(env, &scope); }
  ~HandleScope() { napi_close_handle_scope(env, scope); }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env;
  napi_handle_scope scope;
};

// ---- the tensor table ----

// Gives the tensor a handle > 0; an undefined tensor gets 0.
uint32_t addTensor(at::Tensor tensor);
// Throws when the handle is 0 (freed or undefined) or unknown.
const at::Tensor& tensorAt(int64_t handle);
// Frees the handles; 0 and what has been freed is passed over.
void releaseTensors(const std::vector<int64_t>& handles);
// The tensor of a handle, for its values: throws also if its file could not be read (expectReadable).
const at::Tensor& tensorArg(napi_env env, napi_value value);
at::Generator& generatorArg(napi_env env, napi_value value);

// ---- exported functions ----

constexpr size_t kMaxArgs = 40;
struct Args {
  napi_env env;
  size_t count = kMaxArgs;
  napi_value values[kMaxArgs];
  // An absent argument reads as undefined.
  napi_value operator[](size_t i) const { return i < count ? values[i] : undefined(env); }
};
using Function = napi_value (*)(Args&);
// Adds `name` to the module's exports; exceptions become JavaScript errors.
void exportFunction(napi_env env, napi_value exports, const char* name, Function function);
// Throws `message` in JavaScript as an operator error (see setErrorClass).
void throwOperatorError(napi_env env, const std::string& message);
// Runs `work` on a thread of its own and returns a promise: `result` makes its value on the thread
// of JavaScript, an exception of `work` rejects it as an operator error that begins with `name`.
napi_value runAside(napi_env env, const char* name, std::function<void()> work,
                    std::function<napi_value(napi_env)> result);
// First line of a LibTorch error, without its backtrace.
std::string firstLine(const std::string& message);
// A mapped file cannot be read; the message names the file, so no operator is named before it.
struct UnreadableFile : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Throws UnreadableFile if a mapped file could not be read since the last call: what was computed is
// wrong.
void expectFilesWhole();
// Throws UnreadableFile if a tensor lies in a mapped file that could not be read once: part of it is zeros now.
void expectReadable(const at::Tensor& tensor);
// True on the thread that runs JavaScript.
bool onJsThread();
// Calls the callbacks of hookGradients that other threads could not call.
void tellLateGradients();

void initTable(napi_env env, napi_value exports);
void initDispatch(napi_env env, napi_value exports);
void initTensors(napi_env env, napi_value exports);
void initAutograd(napi_env env, napi_value exports);
void initGradientHooks(napi_env env, napi_value exports);
void initMemory(napi_env env, napi_value exports);
void initRandom(napi_env env, napi_value exports);
void initFiles(napi_env env, napi_value exports);
void initSystem(napi_env env, napi_value exports);
void initDevices(napi_env env, napi_value exports);
void initMeta(napi_env env, napi_value exports);
void initDistributed(napi_env env, napi_value exports);
void initPulse(napi_env env, napi_value exports);
void initSignals(napi_env env, napi_value exports);

}  // namespace mfm
