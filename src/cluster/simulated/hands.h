#pragma once

// What a simulated site does outside of itself: real wrappers for commands, and their words for
// jobs that are played. An interface, so that tests of the site need neither.

#include <memory>
#include <vector>

#include "cluster/simulated/messages.h"
#include "core/log.h"

namespace sust::cluster::simulated {

// What the site keeps of a job for its hands.
struct Launch {
    Uid job = 0;
    Token token;
    std::int64_t epoch = 0;
    Path directory;
    Path agent;
    core::Environment base;
    std::vector<std::string> nodes;  // the first one's is where it runs
    std::uint64_t gpus = 0;          // there, a bit of each device
};

struct Finished {
    Uid job = 0;
    int status = 0;
    bool begun = false;  // its command was ever started
};

// How a played job ended, as its wrapper would have said it.
struct PlayedEnd {
    int status = 0;
    End end = End::completed;
    core::WallTime started{};
    core::WallTime finished{};
};

class Hands {
  public:
    virtual ~Hands() = default;
    // Starts a wrapper, or finds that one is there or has been.
    virtual void begin(const Launch& launch) = 0;
    virtual void stop(Uid job) = 0;  // SIGTERM to the wrapper
    virtual void kill(Uid job) = 0;  // SIGKILL to everything of the job
    // What has ended since. Called on a timer while is_busy().
    virtual std::vector<Finished> look() = 0;
    virtual bool is_busy() const = 0;

    virtual void play_begin(const Launch& launch, core::WallTime started) = 0;
    virtual void play_end(const Launch& launch, const PlayedEnd& end) = 0;
};

// On this machine. Wrappers outlive this process; begin() finds them again.
std::unique_ptr<Hands> make_hands(const core::Clock& clock, core::Log log);

}  // namespace sust::cluster::simulated
