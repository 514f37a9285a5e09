#pragma once

// Slurm through slurmrestd, with a token in place of commands.

#include <atomic>
#include <functional>

#include "cluster/slurm/rest_version.h"
#include "cluster/slurm/slurm.h"
#include "cluster/slurm/transport.h"
#include "core/http.h"

namespace sust::cluster::slurm {

// One exchange with a server; statuses of 400 and over are answers. Of any thread.
using Exchange = std::function<Result<core::http::Response>(const core::http::Request& request,
                                                            Duration within)>;
// `address` as in RestOptions. As many connections are kept as exchanges ever were at once.
Exchange open_exchange(const std::string& address, const core::Clock& clock);

class Rest final : public Transport {
  public:
    Rest(RestOptions options, Exchange exchange, Duration patience, const core::Clock& clock);

    std::string_view name() const override { return "slurmrestd"; }
    const std::string& user() const override { return options_.user; }
    // Until slurmrestd was asked for the first time: what any of its versions lacks.
    std::set<Capability> lacks() const override;
    bool takes_option(std::string_view option) const override;
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
    struct Question {
        std::string method = "GET";
        std::string path;     // after the version
        std::string as_user;  // empty: ourselves
        std::string body;
    };
    struct Heard {
        core::http::Response response;
        std::optional<core::WallTime> expires;  // of the token that was shown
    };
    Result<Heard> call(const Question& question, const RestVersion& version) const;
    Result<Heard> call(const Question& question);
    // The configured one, or the newest that slurmrestd has; asked again once it has it no more.
    Result<const RestVersion*> agree();
    const RestVersion* agreed() const { return agreed_.load(); }
    Result<void> needs_structured(std::string_view what);
    Result<std::string> text_of(const Question& question);
    core::Error refusal(const Heard& heard) const;
    core::Error explained(core::Error error, std::optional<core::WallTime> expires) const;

    RestOptions options_;
    Exchange exchange_;
    Duration patience_;
    const core::Clock* clock_;
    // Found by whichever of the back end's threads asks first, read by the control loop's, too. Of
    // the static table.
    std::atomic<const RestVersion*> agreed_ = nullptr;
};

}  // namespace sust::cluster::slurm
