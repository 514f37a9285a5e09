#pragma once

// Slurm through its commands. Called from the back end's thread alone; each call has a deadline.

#include <string>
#include <vector>

#include "cluster/slurm/text.h"
#include "core/process.h"

namespace sust::cluster::slurm {

// What was seen of the cluster at one moment.
struct Listing {
    std::vector<QueueRow> jobs;
    core::MonoTime asked{};  // when the question began: what was submitted later may be missing
};

struct Site {
    std::vector<Partition> partitions;
    std::vector<Node> nodes;
};

class Commands {
  public:
    Commands(core::Environment environment, Duration patience, const core::Clock& clock);

    // Takes the words after "sbatch"; returns the job's number. unavailable and timeout: the job
    // may be there nevertheless.
    Result<std::string> submit(const std::vector<std::string>& words) const;
    // An unknown number is fine, as it is to scancel.
    Result<void> cancel(const std::string& id) const;
    Result<Listing> list() const;
    Result<Site> look() const;
    Result<void> drain(const std::string& node, const std::string& reason) const;
    Result<void> resume(const std::string& node) const;
    Result<Outlook> outlook(const std::vector<std::string>& words) const;
    // "slurm 22.05.8", and that its controller answers.
    Result<std::string> version() const;
    Result<void> ping() const;
    // Runs words on some node at once, as a job of a minute.
    Result<std::string> run_there(const std::vector<std::string>& options,
                                  const std::vector<std::string>& words) const;

  private:
    Result<core::Output> call(std::vector<std::string> words) const;
    Result<std::string> text_of(std::vector<std::string> words) const;

    core::Environment environment_;
    Duration patience_;
    const core::Clock* clock_;
};

// Our drains begin their reasons with it, so that those of others are never touched.
inline constexpr std::string_view k_reason_prefix = "sust: ";

}  // namespace sust::cluster::slurm
