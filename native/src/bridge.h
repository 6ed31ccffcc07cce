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
// An element type from its code; throws for codes that are unknown or not supported here.
at::ScalarType toDtype(napi_env env, napi_value value);
// A reference to a function, which the caller must delete.
napi_ref toCallback(napi_env env, napi_value value);
// The number of elements of a shape, and of their bytes. Throws for negative sizes and on overflow.
int64_t countElements(const std::vector<int64_t>& shape);
size_t countBytes(const std::vector<int64_t>& shape, at::ScalarType dtype);
napi_value fromDouble(napi_env env, double value);
napi_value fromBool(napi_env env, bool value);
napi_value fromString(napi_env env, const std::string& value);
napi_value fromInts(napi_env env, at::IntArrayRef values);
napi_value undefined(napi_env env);

// An N-API handle scope: JavaScript values created in it are released at the end of the block, also
// if that is left by an exception.
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
// Throws if the handle is 0 (freed or undefined) or unknown.
const at::Tensor& tensorAt(int64_t handle);
// Frees the handles; 0 and handles that are already free are ignored.
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
  // A missing argument reads as undefined.
  napi_value operator[](size_t i) const { return i < count ? values[i] : undefined(env); }
};
using Function = napi_value (*)(Args&);
// Adds `name` to the module's exports; exceptions become JavaScript errors.
void exportFunction(napi_env env, napi_value exports, const char* name, Function function);
// Throws `message` in JavaScript as an operator error (see setErrorClass).
void throwOperatorError(napi_env env, const std::string& message);
// Runs `work` on a new thread and returns a promise. `result` creates its value on the JavaScript
// thread; an exception in `work` rejects it with an operator error whose message starts with
// `name`.
napi_value runAside(napi_env env, const char* name, std::function<void()> work,
                    std::function<napi_value(napi_env)> result);
// The first line of a LibTorch error, without its backtrace.
std::string firstLine(const std::string& message);
// A mapped file cannot be read; the message names the file, so no operator is named before it.
struct UnreadableFile : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Throws UnreadableFile if reading a mapped file has failed since the last call, so that results are
// wrong.
void expectFilesWhole();
// Throws UnreadableFile if a tensor lies in a mapped file that could not be read once, so that part of
// it is now zeros.
void expectReadable(const at::Tensor& tensor);
// Is this the thread that runs JavaScript?
bool onJsThread();
// Calls the callbacks of hookGradients for gradients that were accumulated on other threads.
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
