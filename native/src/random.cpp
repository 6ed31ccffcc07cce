// Seeded generators whose state can be saved. Generator 0 is LibTorch's default generator.
#include "bridge.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

namespace mfm {

namespace {

std::vector<at::Generator>& generators = *new std::vector<at::Generator>();

// A 64-bit seed, as a bigint.
uint64_t seedArg(napi_env env, napi_value value) {
  uint64_t seed = 0;
  bool lossless = true;
  check(env, napi_get_value_bigint_uint64(env, value, &seed, &lossless), "seed");
  if (!lossless) throw std::runtime_error("a seed must be from 0 to 18446744073709551615");
  return seed;
}

// createGenerator(seed: bigint): id
napi_value createGenerator(Args& args) {
  const uint64_t seed = seedArg(args.env, args[0]);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (size_t id = 1; id < generators.size(); id++) {
    if (!generators[id].defined()) {
      generators[id] = generator;
      return fromDouble(args.env, static_cast<double>(id));
    }
  }
  generators.push_back(generator);
  return fromDouble(args.env, static_cast<double>(generators.size() - 1));
}

napi_value releaseGenerator(Args& args) {
  const int64_t id = toInt(args.env, args[0]);
  if (id == 0) throw std::runtime_error("the default generator cannot be released");
  generators.at(id) = at::Generator();
  return undefined(args.env);
}

napi_value seedGenerator(Args& args) {
  at::Generator& generator = generatorArg(args.env, args[0]);
  const uint64_t seed = seedArg(args.env, args[1]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
  return undefined(args.env);
}

// generatorState(id): a uint8 tensor
napi_value generatorState(Args& args) {
  at::Generator& generator = generatorArg(args.env, args[0]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  return fromDouble(args.env, addTensor(generator.get_state()));
}

napi_value setGeneratorState(Args& args) {
  at::Generator& generator = generatorArg(args.env, args[0]);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(tensorArg(args.env, args[1]));
  return undefined(args.env);
}

}  // namespace

at::Generator& generatorArg(napi_env env, napi_value value) {
  auto id = static_cast<size_t>(toInt(env, value));
  if (id >= generators.size() || !generators[id].defined()) {
    throw std::runtime_error("the generator has been freed");
  }
  return generators[id];
}

void initRandom(napi_env env, napi_value exports) {
  generators.push_back(at::detail::getDefaultCPUGenerator());
  exportFunction(env, exports, "createGenerator", createGenerator);
  exportFunction(env, exports, "releaseGenerator", releaseGenerator);
  exportFunction(env, exports, "seedGenerator", seedGenerator);
  exportFunction(env, exports, "generatorState", generatorState);
  exportFunction(env, exports, "setGeneratorState", setGeneratorState);
}

}  // namespace mfm
