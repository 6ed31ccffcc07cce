// c10d for JavaScript: the store through which processes meet, process groups and their
// collectives. Anything that waits for another process runs on a separate thread and returns a
// promise, except waitNow, for code inside a backward pass.
#include "distributed.h"

#include "pulse.h"

#ifdef USE_C10D_GLOO
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>
#include <unordered_map>

namespace mfm {

namespace {

using Milliseconds = std::chrono::milliseconds;

// A started collective, with the tensors that it reads and writes until it is complete.
struct Started {
  c10::intrusive_ptr<c10d::Work> work;
  std::vector<at::Tensor> tensors;
  bool onGpu() const { return !tensors.empty() && tensors[0].is_cuda(); }
};

template <class T>
struct Table {
  std::unordered_map<int64_t, T> items;
  int64_t last = 0;
  int64_t add(T item) {
    items.emplace(++last, std::move(item));
    return last;
  }
  T& at(int64_t id, const char* what) {
    auto found = items.find(id);
    if (found == items.end()) throw std::runtime_error(std::string(what) + " has been closed");
    return found->second;
  }
  T take(int64_t id, const char* what) {
    T item = std::move(at(id, what));
    items.erase(id);
    return item;
  }
};

// Never destroyed: at exit, a group broken by a lost peer would wait for that peer.
Table<StorePtr>& stores = *new Table<StorePtr>();
struct Groups {
  GroupPtr cpu, gpu;  // the second is set only if the group is for GPUs too
  const GroupPtr& of(const at::Tensor& tensor) const {
    if (!tensor.is_cuda()) return cpu;
    if (!gpu) throw std::runtime_error("the group is for the CPU only, but the tensor is on a GPU");
    return gpu;
  }
};
Table<Groups>& groups = *new Table<Groups>();
Table<Started>& works = *new Table<Started>();

StorePtr storeArg(Args& args, size_t i) {
  return stores.at(toInt(args.env, args[i]), "the store");
}

const Groups& groupArg(Args& args) {
  return groups.at(toInt(args.env, args[0]), "the process group");
}

Milliseconds millisecondsArg(Args& args, size_t i) { return Milliseconds(toInt(args.env, args[i])); }

// LibTorch 2.x logs every lost peer with a stack trace; our own errors report it in a sentence.
void quietLog() {
  static const bool once = [] {
    setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0);
    c10::initLogging();
    return true;
  }();
  (void)once;
}

// openStore(host, port, isServer, timeoutMs): promise of [id, port]; port 0: any free one
napi_value openStore(Args& args) {
  quietLog();
  std::string host = toString(args.env, args[0]);
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(toInt(args.env, args[1]));
  options.isServer = toBool(args.env, args[2]);
  options.timeout = millisecondsArg(args, 3);
  options.waitWorkers = false; // the caller waits itself, and can name who is missing
  auto opened = std::make_shared<c10::intrusive_ptr<c10d::TCPStore>>();
  return runAside(
      args.env, "openStore",
      [=] { *opened = c10::make_intrusive<c10d::TCPStore>(host, options); },
      [=](napi_env env) {
        const int64_t port = (*opened)->getPort();
        return fromInts(env, {stores.add(*opened), port});
      });
}

// storeUnder(store, prefix): id of the same store with `prefix` before every key
napi_value storeUnder(Args& args) {
  StorePtr under = c10::make_intrusive<c10d::PrefixStore>(toString(args.env, args[1]),
                                                          storeArg(args, 0));
  return fromDouble(args.env, static_cast<double>(stores.add(under)));
}

// storeSet(store, key, text): promise
napi_value storeSet(Args& args) {
  StorePtr store = storeArg(args, 0);
  std::string key = toString(args.env, args[1]), text = toString(args.env, args[2]);
  return runAside(
      args.env, "storeSet",
      [=] { store->set(key, std::vector<uint8_t>(text.begin(), text.end())); }, undefined);
}

// storeGet(store, key): promise of the text, once it has been set
napi_value storeGet(Args& args) {
  StorePtr store = storeArg(args, 0);
  std::string key = toString(args.env, args[1]);
  auto text = std::make_shared<std::string>();
  return runAside(
      args.env, "storeGet",
      [=] {
        std::vector<uint8_t> bytes = store->get(key);
        text->assign(bytes.begin(), bytes.end());
      },
      [=](napi_env env) { return fromString(env, *text); });
}

// storeMissing(store, keys, timeoutMs): promise of the indices of keys still unset after the
// timeout
napi_value storeMissing(Args& args) {
  StorePtr store = storeArg(args, 0);
  std::vector<std::string> keys;
  uint32_t count = 0;
  check(args.env, napi_get_array_length(args.env, args[1], &count), "keys");
  for (uint32_t i = 0; i < count; i++) {
    napi_value key;
    napi_get_element(args.env, args[1], i, &key);
    keys.push_back(toString(args.env, key));
  }
  const Milliseconds timeout = millisecondsArg(args, 2);
  auto missing = std::make_shared<std::vector<int64_t>>();
  return runAside(
      args.env, "storeMissing",
      [=] {
        const auto end = std::chrono::steady_clock::now() + timeout;
        while (!store->check(keys) && std::chrono::steady_clock::now() < end) {
          std::this_thread::sleep_for(Milliseconds(20));
        }
        for (size_t i = 0; i < keys.size(); i++) {
          if (!store->check({keys[i]})) missing->push_back(static_cast<int64_t>(i));
        }
      },
      [=](napi_env env) { return fromInts(env, *missing); });
}

napi_value closeStore(Args& args) {
  stores.take(toInt(args.env, args[0]), "the store");
  return undefined(args.env);
}

// The network interfaces chosen by the user, else the one with `address`.
// Source: GLOO_SOCKET_IFNAME as in PyTorch, names separated by commas
std::vector<std::shared_ptr<gloo::transport::Device>> glooDevices(const std::string& address) {
  std::vector<std::shared_ptr<gloo::transport::Device>> devices;
  const char* chosen = std::getenv("GLOO_SOCKET_IFNAME");
  std::istringstream names(chosen ? chosen : "");
  for (std::string name; std::getline(names, name, ',');) {
    devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name));
  }
  if (devices.empty()) {
    devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
  }
  return devices;
}

// createGroup(store, rank, size, timeoutMs, address, gpu): promise of the group's id
napi_value createGroup(Args& args) {
  StorePtr store = storeArg(args, 0);
  const int rank = static_cast<int>(toInt(args.env, args[1]));
  const int size = static_cast<int>(toInt(args.env, args[2]));
  const Milliseconds timeout = millisecondsArg(args, 3);
  std::string address = toString(args.env, args[4]);
  const bool gpu = toBool(args.env, args[5]);
  auto created = std::make_shared<Groups>();
  return runAside(
      args.env, "createGroup",
      [=] {
        auto options = c10d::ProcessGroupGloo::Options::create(timeout);
        options->devices = glooDevices(address);
        created->cpu = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
        if (!gpu) return;
        StorePtr own = c10::make_intrusive<c10d::PrefixStore>("nccl/", store);
        created->gpu = createNccl(own, rank, size, timeout);
        endWhenLost();
      },
      [=](napi_env env) { return fromDouble(env, static_cast<double>(groups.add(*created))); });
}

// closeGroup(group, broken): promise. A broken group is leaked, since its threads may still be
// waiting.
napi_value closeGroup(Args& args) {
  auto group = std::make_shared<Groups>(groups.take(toInt(args.env, args[0]), "the process group"));
  if (toBool(args.env, args[1])) new Groups(*group);
  return runAside(args.env, "closeGroup", [=] { *group = Groups(); }, undefined);
}

c10d::ReduceOp reduceOpArg(Args& args, size_t i) {
  std::string name = toString(args.env, args[i]);
  if (name == "sum") return c10d::ReduceOp::SUM;
  if (name == "min") return c10d::ReduceOp::MIN;
  if (name == "max") return c10d::ReduceOp::MAX;
  throw std::runtime_error("unknown reduction " + name);
}

napi_value started(Args& args, c10::intrusive_ptr<c10d::Work> work,
                   std::vector<at::Tensor> tensors) {
  countExchange();
  return fromDouble(args.env,
                    static_cast<double>(works.add({std::move(work), std::move(tensors)})));
}

// startAllReduce(group, tensor, op): work; in place
napi_value startAllReduce(Args& args) {
  std::vector<at::Tensor> tensors{tensorArg(args.env, args[1]).detach()};
  c10d::AllreduceOptions options;
  options.reduceOp = reduceOpArg(args, 2);
  return started(args, groupArg(args).of(tensors[0])->allreduce(tensors, options), tensors);
}

// startReduce(group, tensor, op, root): work; the result is in the root's tensor
napi_value startReduce(Args& args) {
  std::vector<at::Tensor> tensors{tensorArg(args.env, args[1]).detach()};
  c10d::ReduceOptions options;
  options.reduceOp = reduceOpArg(args, 2);
  options.rootRank = toInt(args.env, args[3]);
  return started(args, groupArg(args).of(tensors[0])->reduce(tensors, options), tensors);
}

// Collectives that only move data send bytes, so any dtype works. `tensor` must be contiguous.
at::Tensor bytesOf(const at::Tensor& tensor) {
  return tensor.detach().view({-1}).view(at::kByte);
}

// startBroadcast(group, tensor, root): work; in place, contiguous
napi_value startBroadcast(Args& args) {
  std::vector<at::Tensor> tensors{bytesOf(tensorArg(args.env, args[1]))};
  c10d::BroadcastOptions options;
  options.rootRank = toInt(args.env, args[2]);
  return started(args, groupArg(args).of(tensors[0])->broadcast(tensors, options), tensors);
}

// startAllGather(group, output [size, …], input […]): work; both contiguous
napi_value startAllGather(Args& args) {
  at::Tensor output = bytesOf(tensorArg(args.env, args[1]));
  const GroupPtr& group = groupArg(args).of(output);
  std::vector<at::Tensor> inputs{bytesOf(tensorArg(args.env, args[2]))};
  std::vector<std::vector<at::Tensor>> outputs{output.view({group->getSize(), -1}).unbind(0)};
  return started(args, group->allgather(outputs, inputs), {output, inputs[0]});
}

// startAllToAll(group, output, input): work; equal parts of dimension 0, both contiguous
napi_value startAllToAll(Args& args) {
  at::Tensor output = bytesOf(tensorArg(args.env, args[1]));
  at::Tensor input = bytesOf(tensorArg(args.env, args[2]));
  std::vector<int64_t> evenly;
  return started(args, groupArg(args).of(input)->alltoall_base(output, input, evenly, evenly),
                 {output, input});
}

// startBarrier(group): work
napi_value startBarrier(Args& args) { return started(args, groupArg(args).cpu->barrier(), {}); }

// Polls, pausing for a twentieth of the time waited so far, at most a millisecond: c10d's own wait
// with a timeout breaks the work, so there is no other way to stop waiting early.
void wait(const Started& started) {
  using namespace std::chrono;
  if (started.onGpu()) {
    const std::string lost = lostPeer();
    if (!lost.empty()) throw std::runtime_error(lost);
    started.work->wait();  // makes only the CUDA stream wait, not this thread
    return;
  }
  const auto begin = steady_clock::now();
  while (!started.work->isCompleted()) {
    std::string lost = lostPeer();
    if (!lost.empty()) throw std::runtime_error(lost);
    const auto waited = duration_cast<microseconds>(steady_clock::now() - begin);
    std::this_thread::sleep_for(
        std::clamp(waited / 20, microseconds(10), microseconds(1000)));
  }
  try {
    started.work->wait();  // throws if the work failed
  } catch (const std::exception& error) {
    std::string lost = awaitLostPeer();
    if (lost.empty()) lost = slowestPeer();
    if (lost.empty()) throw;
    throw std::runtime_error(lost + " (" + firstLine(error.what()) + ")");
  }
}

// waitAside(work): promise
napi_value waitAside(Args& args) {
  const Started started = works.take(toInt(args.env, args[0]), "the work");
  if (started.onGpu()) wait(started);  // on this thread, since its CUDA stream has to wait
  return runAside(
      args.env, "wait",
      [=] {
        if (!started.onGpu()) wait(started);
      },
      undefined);
}

// waitNow(work): blocks the JavaScript thread
napi_value waitNow(Args& args) {
  wait(works.take(toInt(args.env, args[0]), "the work"));
  return undefined(args.env);
}

// groupSupport(): [1 if built with c10d and Gloo, 1 if with NCCL too]
napi_value groupSupport(Args& args) { return fromInts(args.env, {1, hasNccl()}); }

}  // namespace

void initDistributed(napi_env env, napi_value exports) {
  exportFunction(env, exports, "groupSupport", groupSupport);
  exportFunction(env, exports, "openStore", openStore);
  exportFunction(env, exports, "storeUnder", storeUnder);
  exportFunction(env, exports, "storeSet", storeSet);
  exportFunction(env, exports, "storeGet", storeGet);
  exportFunction(env, exports, "storeMissing", storeMissing);
  exportFunction(env, exports, "closeStore", closeStore);
  exportFunction(env, exports, "createGroup", createGroup);
  exportFunction(env, exports, "closeGroup", closeGroup);
  exportFunction(env, exports, "startAllReduce", startAllReduce);
  exportFunction(env, exports, "startReduce", startReduce);
  exportFunction(env, exports, "startBroadcast", startBroadcast);
  exportFunction(env, exports, "startAllGather", startAllGather);
  exportFunction(env, exports, "startAllToAll", startAllToAll);
  exportFunction(env, exports, "startBarrier", startBarrier);
  exportFunction(env, exports, "waitAside", waitAside);
  exportFunction(env, exports, "waitNow", waitNow);
}

}  // namespace mfm

#else

namespace mfm {

namespace {

napi_value groupSupport(Args& args) { return fromInts(args.env, {0, 0}); }

}  // namespace

void initDistributed(napi_env env, napi_value exports) {
  exportFunction(env, exports, "groupSupport", groupSupport);
}

}  // namespace mfm

#endif
