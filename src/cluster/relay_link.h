#pragma once

// One connection of a relay: the proof of the key, then bytes both ways. On a thread of its own.

#include "core/clock.h"
#include "core/fd.h"
#include "core/file.h"
#include "core/secret.h"

namespace sust::cluster {

// Returns when either side has ended. denied: the peer did not prove that it has the key;
// unavailable: the engine does not accept.
core::Result<void> serve_link(core::Fd peer, const core::Path& engine, const core::Secret& key,
                              const core::Clock& clock);

}  // namespace sust::cluster
