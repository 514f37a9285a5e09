#pragma once

#include <memory>

#include "cluster/book.h"

namespace sust::cluster {

struct SimulatedOptions {
    std::string name;  // of the back end: "plan"
    BookOptions book;
    Path socket;             // of `sust simulate`
    Path agent;              // sust-agent, which the site starts for commands
    core::Environment base;  // of the wrapper
    std::string partition;   // these two where a job says none
    std::string account;
    Duration period = std::chrono::seconds(1);     // of the listing of all jobs; 100 ms at least
    Duration patience = std::chrono::seconds(10);  // for one answer
    // How long a file may take to be seen, and how long a wrapper may say nothing before a job that
    // the site forgot is given up.
    Duration carrier_grace = std::chrono::seconds(2);
    Duration silence = std::chrono::minutes(2);
};

// Jobs of a simulated site (docs/operate/simulate.md), which is a process of its own: it may be
// away when this is opened.
Result<std::unique_ptr<Scheduler>> open_simulated(SimulatedOptions options,
                                                  const core::Clock& clock, core::Log log);

}  // namespace sust::cluster
