#pragma once

// What the API server is asked once in a while for all jobs together: its nodes, the shapes of a
// job that it has, and the objects of those that have one.

#include <functional>

#include "cluster/kubernetes/context.h"

namespace sust::cluster::kubernetes {

// On the control loop's thread; the questions are asked by the context's worker.
class Rounds {
  public:
    explicit Rounds(Context& context) : context_(context) {}

    // Asks what is due.
    void go();
    void nodes_soon() { nodes_.next = {}; }
    // What a check has just heard, which a job need not wait for.
    void take(Offer offer);

  private:
    struct Round {
        bool asked = false;
        core::MonoTime next{};
    };
    // False: it is not due, or is under way.
    bool begin(Round& round, Duration period);
    template <class T>
    void ask(Round& round, std::function<Result<T>()> question,
             std::function<void(Result<T>)> then);
    void ask_for_nodes();
    void ask_for_offer();
    void ask_for_objects();

    Context& context_;
    Round nodes_;
    Round offer_;
    Round objects_;
};

}  // namespace sust::cluster::kubernetes
