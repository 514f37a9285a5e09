#pragma once

// What the jobs of this machine have of it, and who is next: a claim waits until its cores, memory
// and GPUs are free together. Indexes are given to one job at a time. On the control loop's thread.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/share_word.h"

namespace sust::cluster {

// Of a job on one node; no cores are those that nobody counts.
Amount amount_of(const Shape& shape);

// A job that the first in line is not delayed by may go past it: one that ends before the first
// can start by what the running ones may take at most, or needs only what is left beside it then.
class Shares {
  public:
    struct Machine {
        std::vector<int> cores;
        std::uint64_t memory_bytes = 0;
        std::vector<int> gpus;
    };
    explicit Shares(Machine machine) : machine_(std::move(machine)) {}

    Amount total() const;
    Amount free() const;

    // Gives the share, or says why not yet. Until it has one or leaves, the job is in line.
    std::optional<Share> ask(const Claim& claim, core::MonoTime now, std::string& why_not);
    // Only puts it in line: nothing is given while not everybody is there who may be sooner.
    void enter(const Claim& claim);
    // Of an earlier controller; `until` is when it has ended at the latest.
    void keep(const Token& token, const Share& share, core::MonoTime until);
    // What this job has cannot be read: until it can, or the job ends, nothing is given.
    void doubt(const Token& token) { doubts_.insert(token); }
    // Its share is free, and its place in line too.
    void leave(const Token& token);
    // What it would wait for if it came now; nothing: it would start.
    std::optional<std::string> obstacle(const Claim& claim, core::MonoTime now) const;

  private:
    struct Held {
        Share share;
        core::MonoTime until;
    };
    struct Plan {
        std::set<Token> start;
        std::map<Token, std::string> waits;
    };

    static Plan make_plan(const Shares& shares, core::MonoTime now);
    Share take(const Amount& need) const;

    Machine machine_;
    std::map<Token, Held> held_;
    std::map<Token, Claim> line_;
    std::set<Token> doubts_;
    std::optional<Plan> plan_;  // of the line and the shares as they are
};

}  // namespace sust::cluster
