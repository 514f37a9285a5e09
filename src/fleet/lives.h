#pragma once

// Drives every replica through the table of life.h: finds out what happened (jobs, probes,
// deadlines), writes the new state, then acts.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "fleet/acknowledgements.h"
#include "fleet/book.h"
#include "fleet/jobs.h"

namespace sust::fleet {

class Lives {
  public:
    // `answered` is called on the loop after an engine's answer to a probe was taken in: it comes
    // between two ticks, and gateways should not wait for the next.
    Lives(const FleetParts& parts, const FleetOptions& options, Book& book,
          const Acknowledgements& acknowledgements, core::Log log, std::function<void()> answered);

    // Goes on with the replicas of the book: repeats what may not have been done.
    void adopt();
    // invalid: no alternative of the plan takes its replicas, with each one's reason.
    Result<void> check_placement(const ServicePlan& plan) const;
    // A new replica of the service's target generation.
    Result<void> create(const ServiceRecord& service);
    void retire(const std::string& id);
    void tick();
    void on_job(const cluster::JobStatus& status);

    Result<EngineCommand> command(const ReplicaRecord& replica) const;
    std::optional<core::http::Address> address(const ReplicaRecord& replica) const;
    // The gateways heard of know the replica in its state.
    bool is_known(const ReplicaRecord& replica) const;

  private:
    struct Happening {
        ReplicaEvent event;
        std::string reason{};
        std::int64_t epoch = 0;  // of an ended job
    };
    struct Timers {
        core::MonoTime entered{};   // when the state began
        core::MonoTime deadline{};  // when it is overdue
        core::MonoTime next_probe{};
        std::uint64_t version = 0;  // of the map that shows the state
        std::uint64_t life = 0;  // grows with every state: answers to older questions are dropped
        bool probing = false;
        int failures = 0;  // probes in a row
        int idle_in_a_row = 0;
    };

    void fire(const std::string& id, Happening happening);
    void apply(ReplicaRecord& record, const Transition& row, const Happening& happening) const;
    void enter(const ReplicaRecord& record, core::MonoTime entered);
    void act(ReplicaAction action, const std::string& id);
    void start(const std::string& id);
    void forget(const std::string& id);
    void move_on(const std::string& id);
    void look(const std::string& id);
    void wait_for_engine(const ReplicaRecord& record, const ReplicaJobs::Sight& sight);
    void find_endpoint(const ReplicaRecord& record);
    void probe(const std::string& id);
    void on_answer(const std::string& id, std::uint64_t life, const Probe& probe,
                   const ProbeAnswer& answer);
    const Engine& engine_of(const ReplicaRecord& record) const;
    Duration time_for(const ReplicaRecord& record) const;

    const FleetParts& parts_;
    const FleetOptions& options_;
    Book& book_;
    const Acknowledgements& acknowledgements_;
    core::Log log_;
    std::function<void()> answered_;
    ReplicaJobs jobs_;
    std::map<std::string, Timers> timers_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for probes under way
};

// What gateways are told of a replica in this state; nothing: it is not in the map.
std::optional<serve::ReplicaState> shown_state(const ReplicaRecord& record);

// Starts that came to nothing in a row, after which a generation that never worked is given up.
inline constexpr int k_tries = 3;

}  // namespace sust::fleet
