// Detects processes of a job that have died or hang. In each process a thread exchanges heartbeats
// with rank 0, however busy JavaScript or LibTorch are. A connection that ends without a farewell
// means that the process died, one that is silent for too long that it hangs. Rank 0 informs the
// others.
#include "pulse.h"

#include "bridge.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

namespace mfm {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

enum Kind : int32_t { beat, farewell, died, hangs };

// The message in both directions. To rank 0: the sender's rank, and how many collectives it has
// begun. From rank 0: the rank that the news is about; in a beat, the rank that has begun the
// fewest.
struct Message {
  int32_t kind;
  int32_t rank;
  uint32_t exchanges;
};

struct Peer {
  int32_t rank = -1;  // until its first message
  Clock::time_point heard = Clock::now();
  uint32_t exchanges = 0;
  std::string unread;
};

struct Pulse {
  int32_t rank = 0;
  Milliseconds limit{0};
  int listener = -1;
  std::map<int, Peer> peers;  // by socket; on rank 0 all other ranks, elsewhere only rank 0
  std::atomic<bool> stop{false};
  std::thread thread;
  Milliseconds interval() const { return std::max(Milliseconds(20), limit / 6); }
};

// One per process; the state below outlives it, for errors that are queried after it has stopped.
Pulse* pulse = nullptr;
std::atomic<uint32_t> exchanges{0};
std::atomic<int64_t> limitMs{0};
std::mutex& newsMutex = *new std::mutex();
std::string& lost = *new std::string();
Clock::time_point lostAt;
std::atomic<bool> endsWhenLost{false};
int32_t slowestRank = -1;
uint32_t slowestExchanges = 0;

// macOS has neither flag: adopted() sets the same on the socket.
#ifdef SOCK_CLOEXEC
constexpr int closedOnExec = SOCK_CLOEXEC;
#else
constexpr int closedOnExec = 0;
#endif
#ifdef MSG_NOSIGNAL
constexpr int withoutSignal = MSG_NOSIGNAL;
#else
constexpr int withoutSignal = 0;
#endif

// The socket, which a child process does not inherit and which raises no SIGPIPE; -1 stays.
int adopted(int socket) {
  if (socket < 0) return socket;
  fcntl(socket, F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof(yes));
#endif
  return socket;
}

// The flag too, where there is one: between the two calls another thread may start a child.
int openSocket(int family, int type) { return adopted(::socket(family, type | closedOnExec, 0)); }

void send(int socket, const Message& message) {
  // errors are ignored: a peer that does not read will be noticed by its silence
  if (::send(socket, &message, sizeof(message), MSG_DONTWAIT | withoutSignal) < 0) return;
}

void setLost(Pulse& self, int32_t kind, int32_t rank) {
  const auto seconds = static_cast<double>(self.limit.count()) / 1000;
  char text[160];
  if (kind == died) {
    snprintf(text, sizeof(text), "rank %d has ended before the others", rank);
  } else {
    snprintf(text, sizeof(text),
             "rank %d has given no sign of life for %g s: it hangs, or its machine or network is down",
             rank, seconds);
  }
  {
    std::lock_guard<std::mutex> lock(newsMutex);
    if (!lost.empty()) return;
    lost = text;
    lostAt = Clock::now();
  }
  if (self.rank != 0) return;
  for (auto& [socket, peer] : self.peers) send(socket, {kind, rank, 0});
}

void setSlowest(int32_t rank, uint32_t count) {
  std::lock_guard<std::mutex> lock(newsMutex);
  slowestRank = rank;
  slowestExchanges = count;
}

// Handles a message. False once the peer has said farewell.
bool hear(Pulse& self, Peer& peer, const Message& message) {
  peer.heard = Clock::now();
  if (message.kind == farewell) return false;
  if (message.kind != beat) {
    setLost(self, message.kind, message.rank);
  } else if (self.rank == 0) {
    peer.rank = message.rank;
    peer.exchanges = message.exchanges;
  } else {
    setSlowest(message.rank, message.exchanges);
  }
  return true;
}

// Reads what has arrived. False if the connection has ended.
bool read(Pulse& self, int socket, Peer& peer) {
  char buffer[1024];
  const ssize_t length = recv(socket, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
  if (length <= 0) {
    if (peer.rank >= 0) setLost(self, died, peer.rank);
    return false;
  }
  peer.unread.append(buffer, static_cast<size_t>(length));
  while (peer.unread.size() >= sizeof(Message)) {
    Message message;
    std::memcpy(&message, peer.unread.data(), sizeof(message));
    peer.unread.erase(0, sizeof(message));
    if (!hear(self, peer, message)) return false;
  }
  return true;
}

void findSilent(Pulse& self) {
  for (auto& [socket, peer] : self.peers) {
    if (peer.rank >= 0 && Clock::now() - peer.heard > self.limit) setLost(self, hangs, peer.rank);
  }
}

void endIfBlocked(const Pulse& self) {
  const std::string news = lostPeer();
  if (news.empty() || Clock::now() - lostAt < self.limit) return;
  fprintf(stderr, "%s (noticed by rank %d, which waits for a GPU)\n", news.c_str(), self.rank);
  _exit(1);
}

void sendBeats(Pulse& self) {
  Message message{beat, self.rank, exchanges};
  if (self.rank == 0) {
    for (auto& [socket, peer] : self.peers) {
      if (peer.rank < 0 || peer.exchanges >= message.exchanges) continue;
      message.rank = peer.rank;
      message.exchanges = peer.exchanges;
    }
    setSlowest(message.rank, message.exchanges);
  }
  for (auto& [socket, peer] : self.peers) send(socket, message);
}

void run(Pulse& self) {
  auto lastBeat = Clock::time_point();
  auto lastTurn = Clock::now();
  while (!self.stop) {
    // after a long gap this process itself was suspended: messages sent meanwhile are still unread
    const bool wasStopped = Clock::now() - lastTurn > self.limit / 2;
    lastTurn = Clock::now();
    std::vector<pollfd> waiting;
    if (self.listener >= 0) waiting.push_back({self.listener, POLLIN, 0});
    for (auto& [socket, peer] : self.peers) {
      if (wasStopped) peer.heard = Clock::now();
      waiting.push_back({socket, POLLIN, 0});
    }
    // short enough to notice `stop` soon
    const auto turn = std::min(self.interval(), Milliseconds(50));
    poll(waiting.data(), waiting.size(), static_cast<int>(turn.count()));
    for (const pollfd& ready : waiting) {
      if (ready.revents == 0) continue;
      if (ready.fd == self.listener) {
        const int socket = adopted(accept(self.listener, nullptr, nullptr));
        if (socket >= 0) self.peers[socket];
      } else if (!read(self, ready.fd, self.peers[ready.fd])) {
        close(ready.fd);
        self.peers.erase(ready.fd);
      }
    }
    findSilent(self);
    if (endsWhenLost) endIfBlocked(self);
    if (Clock::now() - lastBeat >= self.interval()) {
      sendBeats(self);
      lastBeat = Clock::now();
    }
  }
  for (auto& [socket, peer] : self.peers) {
    send(socket, {farewell, self.rank, 0});
    close(socket);
  }
  if (self.listener >= 0) close(self.listener);
}

int listenAnywhere(int& port) {
  const int socket = openSocket(AF_INET6, SOCK_STREAM);
  sockaddr_storage address{};
  socklen_t length = sizeof(sockaddr_in6);
  int listener = socket;
  if (socket >= 0) {
    int no = 0;  // accept IPv4 too
    setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    address.ss_family = AF_INET6;
  }
  if (socket < 0 || bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    if (socket >= 0) close(socket);
    listener = openSocket(AF_INET, SOCK_STREAM);
    address.ss_family = AF_INET;
    length = sizeof(sockaddr_in);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0) {
      throw std::runtime_error(std::string("no port to listen on: ") + std::strerror(errno));
    }
  }
  listen(listener, SOMAXCONN);
  length = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  port = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
  return listener;
}

int connectTo(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) throw std::runtime_error(host + ": " + gai_strerror(failure));
  int connected = -1, reason = 0;
  for (addrinfo* item = found; item != nullptr && connected < 0; item = item->ai_next) {
    const int socket = openSocket(item->ai_family, item->ai_socktype);
    if (socket >= 0 && connect(socket, item->ai_addr, item->ai_addrlen) == 0) {
      connected = socket;
    } else {
      reason = errno;
      if (socket >= 0) close(socket);
    }
  }
  freeaddrinfo(found);
  if (connected < 0) {
    throw std::runtime_error(host + ":" + std::to_string(port) + ": " + std::strerror(reason));
  }
  const int yes = 1;
  setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return connected;
}

// startPulse(rank, host, port, limitMs): promise of the port; rank 0 opens it, the others connect
// to it
napi_value startPulse(Args& args) {
  if (pulse != nullptr) throw std::runtime_error("this process already has a pulse");
  const auto rank = static_cast<int32_t>(toInt(args.env, args[0]));
  std::string host = toString(args.env, args[1]);
  auto port = std::make_shared<int>(static_cast<int>(toInt(args.env, args[2])));
  const int64_t limit = toInt(args.env, args[3]);
  if (limit <= 0) throw std::runtime_error("the limit must be above 0");
  auto* made = pulse = new Pulse();
  made->rank = rank;
  made->limit = Milliseconds(limit);
  limitMs = made->limit.count();
  return runAside(
      args.env, "startPulse",
      [=] {
        if (made->rank == 0) {
          made->listener = listenAnywhere(*port);
        } else {
          const int socket = connectTo(host, *port);
          made->peers[socket].rank = 0;
          send(socket, {beat, made->rank, exchanges});  // identifies this process at once
        }
        made->thread = std::thread([made] { run(*made); });
      },
      [=](napi_env env) { return fromDouble(env, *port); });
}

// stopPulse(): promise; informs the others that this process leaves in an orderly way
napi_value stopPulse(Args& args) {
  Pulse* stopped = pulse;
  pulse = nullptr;
  limitMs = 0;
  if (stopped != nullptr) stopped->stop = true;
  return runAside(
      args.env, "stopPulse",
      [=] {
        if (stopped == nullptr) return;
        if (stopped->thread.joinable()) stopped->thread.join();
        delete stopped;
      },
      undefined);
}

// awaitLostPeer(): promise of the sentence on the first lost peer, once it is known; '' if none is lost
napi_value lostPeerSoon(Args& args) {
  auto found = std::make_shared<std::string>();
  return runAside(
      args.env, "awaitLostPeer", [=] { *found = awaitLostPeer(); },
      [=](napi_env env) { return fromString(env, *found); });
}

napi_value lostPeerNow(Args& args) { return fromString(args.env, lostPeer()); }

}  // namespace

std::string lostPeer() {
  std::lock_guard<std::mutex> lock(newsMutex);
  return lost;
}

std::string awaitLostPeer() {
  const auto end = Clock::now() + Milliseconds(limitMs * 4 / 3);
  std::string found = lostPeer();
  while (found.empty() && Clock::now() < end) {
    std::this_thread::sleep_for(Milliseconds(5));
    found = lostPeer();
  }
  return found;
}

std::string slowestPeer() {
  std::lock_guard<std::mutex> lock(newsMutex);
  if (slowestRank < 0 || slowestExchanges >= exchanges) return "";
  return "rank " + std::to_string(slowestRank) + " is alive but has begun " +
         std::to_string(slowestExchanges) + " exchanges where this process has begun " +
         std::to_string(exchanges);
}

void endWhenLost() { endsWhenLost = true; }

void countExchange() { exchanges++; }

void initPulse(napi_env env, napi_value exports) {
  exportFunction(env, exports, "startPulse", startPulse);
  exportFunction(env, exports, "stopPulse", stopPulse);
  exportFunction(env, exports, "lostPeer", lostPeerNow);
  exportFunction(env, exports, "awaitLostPeer", lostPeerSoon);
}

}  // namespace mfm
