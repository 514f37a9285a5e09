#pragma once

// The process of a simulated site: its loop, socket and signals.

#include <functional>

#include "cluster/simulated/site.h"

namespace sust::cluster::simulated {

struct HostOptions {
    std::string text;    // of SITE.toml
    std::string origin;  // its name, for messages
    Path socket;
    Path journal;
    bool fresh = false;  // an earlier journal is thrown away
};

// Serves until SIGINT or SIGTERM; commands go on and are found again. `on_ready` once the socket
// listens, `on_second` about once a second. The engine as it was left. conflict: another process
// has socket or journal.
Result<Engine> host_site(const HostOptions& options, const core::Clock& clock, const core::Log& log,
                         const std::function<void(const Engine&)>& on_ready,
                         const std::function<void(const Engine&)>& on_second);

}  // namespace sust::cluster::simulated
