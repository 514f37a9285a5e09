#pragma once

// How Slurm is asked: by its commands or by slurmrestd. Both give the same answers; what one of
// them cannot say is declared here, and refused before anything is submitted. Called from the back
// end's threads, several at once; every call has a deadline.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/slurm/text.h"

namespace sust::cluster::slurm {

// What an attempt occupies, concrete.
struct Resources {
    int nodes = 1;
    int cpus = 1;  // of each node
    std::uint64_t memory_bytes = 0;
    Gpus gpus;
    Duration time{};  // Slurm's own limit
    std::string partition, account, qos;
    int nice = 0;
    std::vector<std::string> exclude_nodes;
    std::map<std::string, std::string> options;  // sbatch's names
    std::string principal;                       // empty: ourselves
};

struct Submission {
    Resources resources;
    std::string name;
    std::string comment;
    Path directory;  // where it works
    Path log;        // of the batch script
    std::string script;
};

// What was seen of the cluster at one moment.
struct Listing {
    std::vector<QueueRow> jobs;
    core::MonoTime asked{};  // when the question began: what was submitted later may be missing
};

struct Site {
    std::vector<Partition> partitions;
    std::vector<Node> nodes;
    bool tells_default = true;  // false: which partition is the default is not known
};

class Transport {
  public:
    virtual ~Transport() = default;
    // "commands" or "slurmrestd", for messages.
    virtual std::string_view name() const = 0;
    // Whose jobs these are where a job names no principal.
    virtual const std::string& user() const = 0;
    // Of the capabilities of a Slurm, those that cannot be said this way.
    virtual std::set<Capability> lacks() const = 0;
    // Whether an option of sbatch can be said.
    virtual bool takes_option(std::string_view option) const = 0;

    // The job's number. unavailable and timeout: the job may be there nevertheless.
    virtual Result<std::string> submit(const Submission& submission) = 0;
    // An unknown number is fine.
    virtual Result<void> cancel(const std::string& id, const std::string& principal) = 0;
    // All jobs with our mark, of ourselves and of every principal.
    virtual Result<Listing> list() = 0;
    // What accounting still knows of these numbers; an error: there is none, or not for us.
    virtual Result<std::vector<PastRow>> recall(const std::vector<std::string>& ids) = 0;
    virtual Result<Site> look() = 0;
    virtual Result<void> drain(const std::string& node, const std::string& reason) = 0;
    virtual Result<void> resume(const std::string& node) = 0;
    virtual Result<Outlook> outlook(const Resources& resources) = 0;
    // Whether we can be this principal.
    virtual Result<void> try_principal(const std::string& principal) = 0;
    // "slurm 22.05.8", and that its controller answers.
    virtual Result<std::string> version() = 0;
    virtual Result<void> ping() = 0;
};

// Our drains begin their reasons with it, so that those of others are never touched.
inline constexpr std::string_view k_reason_prefix = "sust: ";

}  // namespace sust::cluster::slurm
