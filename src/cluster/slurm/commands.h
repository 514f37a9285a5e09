#pragma once

// Slurm through its commands.

#include "cluster/principals.h"
#include "cluster/slurm/slurm.h"
#include "cluster/slurm/transport.h"
#include "core/process.h"

namespace sust::cluster::slurm {

class Commands final : public Transport {
  public:
    // `principals` outlives it.
    Commands(const SlurmOptions& options, const Principals& principals, const core::Clock& clock);

    std::string_view name() const override { return "commands"; }
    const std::string& user() const override { return user_; }
    std::set<Capability> lacks() const override { return {}; }
    bool takes_option(std::string_view) const override { return true; }
    Result<std::string> submit(const Submission& submission) override;
    Result<void> cancel(const std::string& id, const std::string& principal) override;
    Result<Listing> list() override;
    Result<std::vector<PastRow>> recall(const std::vector<std::string>& ids) override;
    Result<Site> look() override;
    Result<void> drain(const std::string& node, const std::string& reason) override;
    Result<void> resume(const std::string& node) override;
    Result<Outlook> outlook(const Resources& resources) override;
    Result<void> try_principal(const std::string& principal) override;
    Result<std::string> version() override;
    Result<void> ping() override;

  private:
    Result<std::vector<std::string>> as(const std::string& principal,
                                        std::vector<std::string> words) const;
    Result<core::Output> call(std::vector<std::string> words, int in = -1) const;
    Result<std::string> text_of(std::vector<std::string> words) const;

    core::Environment environment_;
    std::string user_;
    Duration patience_;
    std::vector<std::string> become_;
    const Principals* principals_;
    const core::Clock* clock_;
};

// What sbatch is told of them.
std::vector<std::string> words_of(const Resources& resources);

}  // namespace sust::cluster::slurm
