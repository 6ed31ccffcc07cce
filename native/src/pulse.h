// Who of a job is still there; see pulse.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace mfm {

// "rank 2 has ended", or '' while all that is known of is there.
std::string lostPeer();
// As lostPeer, but gives the news the time that it may take to arrive; '' if there is none, or if
// this process watches nobody.
std::string awaitLostPeer();
// Which rank is behind the others in its count of exchanges, in words; '' if none is.
std::string slowestPeer();
// From now on the process is ended when a peer is lost and JavaScript has not ended it as long again
// as a hang lasts: a GPU that waits for a peer blocks JavaScript, and nothing else would.
void endWhenLost();
// Counts an exchange between processes that this one has begun.
void countExchange();

}  // namespace mfm
