// A second request to stop ends the process even while JavaScript is blocked in a long call.
// Node.js delivers signals to JavaScript only between such calls, so a thread of ours receives them
// too: it gives JavaScript a moment for an orderly end, then ends the process and the programs it
// has started.
#include "bridge.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

namespace mfm {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// Node.js's own handlers, which ours calls in turn.
struct sigaction handlers[NSIG];
int numbersPipe[2] = {-1, -1};
std::atomic<bool> watching{false};
// Requests so far; set to 0 when watching begins.
std::atomic<int> requests{0};
// Signals within this time of the first count as the same request, delivered twice.
std::atomic<int64_t> sameMs{0};
std::atomic<int64_t> graceMs{0};

void onSignal(int number) {
  const int savedErrno = errno;
  const char byte = static_cast<char>(number);
  if (watching && write(numbersPipe[1], &byte, 1) < 0) {
    // the pipe is already full of requests
  }
  errno = savedErrno;
  const auto next = handlers[number].sa_handler;
  if (next != SIG_DFL && next != SIG_IGN) next(number);
}

// Process ids of children that existed before this program; set once, before watching begins.
std::vector<int64_t> spared;

// Kills the children of all our threads, except those with their own process group, which end by
// themselves.
// Source: proc(5), /proc/pid/task/tid/children
void endChildren() {
  DIR* threads = opendir("/proc/self/task");
  if (threads == nullptr) return;
  while (const dirent* entry = readdir(threads)) {
    std::ifstream children(std::string("/proc/self/task/") + entry->d_name + "/children");
    for (pid_t child; children >> child;) {
      const bool isOurs = std::find(spared.begin(), spared.end(), child) == spared.end();
      if (isOurs && getpgid(child) != child) kill(child, SIGKILL);
    }
  }
  closedir(threads);
}

void watchForSecond() {
  auto first = Clock::now();
  char byte = 0;
  for (;;) {
    const ssize_t length = read(numbersPipe[0], &byte, 1);
    if (length < 0 && errno == EINTR) continue;
    if (length != 1) return;
    const auto now = Clock::now();
    if (!watching) continue;
    if (requests++ == 0) {
      first = now;
      continue;
    }
    // a closing terminal may send SIGHUP twice: from its shell and from the system
    if (byte == SIGHUP || now - first < Milliseconds(sameMs)) continue;
    std::this_thread::sleep_for(Milliseconds(graceMs));
    endChildren();
    _exit(128 + byte);
  }
}

void startWatching(const std::vector<int64_t>& childrenBefore) {
  if (numbersPipe[0] >= 0) return;
  spared = childrenBefore;
  if (pipe(numbersPipe) != 0) throw std::runtime_error("could not open a pipe for signals");
  for (int end : numbersPipe) fcntl(end, F_SETFD, FD_CLOEXEC);
  fcntl(numbersPipe[1], F_SETFL, O_NONBLOCK);
  std::thread(watchForSecond).detach();
}

// watchSignals(numbers, spared, sameMs, graceMs): call after Node.js has set its handlers for them
napi_value watchSignals(Args& args) {
  startWatching(toInts(args.env, args[1]));
  sameMs = toInt(args.env, args[2]);
  graceMs = toInt(args.env, args[3]);
  requests = 0;
  watching = true;
  for (const int64_t number : toInts(args.env, args[0])) {
    struct sigaction now;
    if (number <= 0 || number >= NSIG || sigaction(static_cast<int>(number), nullptr, &now) != 0) {
      throw std::runtime_error("no signal has the number " + std::to_string(number));
    }
    if (now.sa_handler == onSignal) continue;
    handlers[number] = now;
    now.sa_handler = onSignal;
    sigaction(static_cast<int>(number), &now, nullptr);
  }
  return undefined(args.env);
}

// unwatchSignals(): stops watching; our handlers stay, and Node.js removes them with its own
napi_value unwatchSignals(Args& args) {
  watching = false;
  return undefined(args.env);
}

}  // namespace

void initSignals(napi_env env, napi_value exports) {
  exportFunction(env, exports, "watchSignals", watchSignals);
  exportFunction(env, exports, "unwatchSignals", unwatchSignals);
}

}  // namespace mfm
