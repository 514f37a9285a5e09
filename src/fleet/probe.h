#pragma once

// Asks an engine process how it is: over its Unix socket, or through its relay.

#include <functional>
#include <memory>
#include <string>

#include "core/event_loop.h"
#include "core/http_client.h"
#include "fleet/engine.h"

namespace sust::fleet {

enum class ProbeKind {
    ready,   // healthy, and one token can be generated
    health,  // healthy
    idle,    // no slot works
};

struct Probe {
    core::http::Address address;
    ProbeKind kind = ProbeKind::health;
    Engine::Probe how;
};

struct ProbeAnswer {
    bool good = false;
    std::string why;  // for people, when not good
};

class Prober {
  public:
    virtual ~Prober() = default;
    // Returns at once; `done` is called once, on the loop.
    virtual void ask(Probe probe, std::function<void(const ProbeAnswer&)> done) = 0;
};

// One probe, blocking for at most three of its time-outs.
ProbeAnswer ask_engine(const Probe& probe, const core::Clock& clock);

// A few threads of its own, so that engines that hang delay no one but other probes. Ask at most
// once at a time per replica: that bounds its queue. Ended (joined) by its destructor.
std::unique_ptr<Prober> make_http_prober(core::EventLoop& loop, std::size_t threads = 4);

}  // namespace sust::fleet
