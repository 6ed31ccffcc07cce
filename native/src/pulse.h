// Which processes of a job are still alive; see pulse.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace mfm {

// A sentence on the first lost peer, "rank 2 has ended before the others"; '' as long as none is
// lost.
std::string lostPeer();
// Like lostPeer, but waits as long as the news may take to arrive; '' if none comes, or if there is
// no pulse.
std::string awaitLostPeer();
// A sentence on the rank that has begun fewer collectives than this process; '' if there is none.
std::string slowestPeer();
// From now on the process is ended if a peer is lost and JavaScript has not ended the process
// within another hang limit: a GPU that waits for a peer blocks JavaScript, so nothing else could
// end it.
void endWhenLost();
// Counts a collective that this process has begun.
void countExchange();

}  // namespace mfm
