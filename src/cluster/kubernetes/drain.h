#pragma once

// Our pods leave a node that is held: each is evicted through the API server, which asks disruption
// budgets, and again while those forbid it. Pods of others are never asked for.

#include <map>
#include <memory>
#include <string>

#include "cluster/kubernetes/job.h"

namespace sust::cluster::kubernetes {

class Drain {
  public:
    // Of a node that takes no further pod by now. `then` has what became of each pod, at the latest
    // after `within`. Everything here is on the control loop's thread.
    Drain(Context& context, std::string node, Duration within, Scheduler::Then<Drained> then);

    // Goes on with what is due. True: it has answered and is over.
    bool look();

  private:
    struct Guest {
        Token token;
        std::string pod;
        bool gone = false;
        std::string why;  // it is still there
        core::MonoTime next{};
        int tries = 0;
    };

    bool all_gone() const;
    void look_at_guests();
    void evict_what_is_due();
    void on_answers(const std::map<std::string, Eviction>& answers);
    Drained report() const;

    Context& context_;
    std::string node_;
    core::MonoTime settled_;  // until then a pod may come that was bound before the hold
    core::MonoTime deadline_;
    Scheduler::Then<Drained> then_;
    std::map<std::string, Guest> guests_;  // by uid
    bool asking_ = false;
    // A question that is under way refers to the drain only while it lives.
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace sust::cluster::kubernetes
