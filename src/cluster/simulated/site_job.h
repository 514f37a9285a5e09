#pragma once

// One job of the simulated back end: what its files and the site's list say, and what follows.

#include <optional>
#include <string>

#include "cluster/book.h"
#include "cluster/simulated/back_end.h"
#include "cluster/simulated/client.h"
#include "cluster/worker.h"

namespace sust::cluster::simulated {

// What all jobs of one back end share. Changed on the control loop's thread alone.
struct Context {
    const SimulatedOptions& options;
    const core::Clock& clock;
    const core::Log& log;
    Client& client;
    Worker& worker;
    core::MonoTime opened{};
    std::optional<Listing> listing{};
    std::map<std::pair<Token, std::int64_t>, JobRow> rows{};  // of the listing
    std::string trouble{};  // why the last question was not answered
    std::optional<SiteView> site{};

    // Whether the list was asked for after `then`.
    bool has_listing_after(core::MonoTime then) const { return listing && listing->asked > then; }
    const PartitionRow* partition_of(const JobSpec& spec) const;
};

// What the site is told of an attempt. invalid: an option of the job is no word of this back end.
Result<Submission> submission_of(const JobSpec& spec, const SimulatedOptions& options);

// What starts the tasks of a command on its nodes, which are all this machine.
std::vector<std::string> launcher_of(const JobSpec& spec, const SimulatedOptions& options);

class SiteJob final : public BookedJob {
  public:
    SiteJob(KeptJob kept, Context& context) : BookedJob(std::move(kept)), context_(context) {}

    bool look() override;
    Result<void> stop() override;
    Result<std::int64_t> resubmit(const Orders& orders) override;

  private:
    // What is known of the submission; forgotten with the attempt.
    struct Asked {
        int id = 0;            // the site's number, once known
        bool is_read = false;  // what an earlier controller kept was read
        bool cancelled = false;
        bool submitting = false;
        bool cancelling = false;
        int tries = 0;
        std::optional<core::Error> refusal;
        std::string trouble;
        core::MonoTime next_try{};
        core::MonoTime doubtful_since{};  // a list must be newer before it says that we are absent
        std::optional<core::MonoTime> ended_since;
        std::string beat;  // the last heartbeat that was read
        core::MonoTime beat_since{};
        core::MonoTime next_look{};
    };

    // Nothing: there is nothing new to say.
    std::optional<Sight> see();
    std::optional<Sight> see_row(const JobRow& row, const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_stopped(Sight words, const JobRow* row);
    std::optional<Sight> see_end(End end, const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_absent(const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_unsubmitted();
    Sight see_silence(const AttemptWord& attempt);
    Sight conclude(End end, std::string reason);
    Result<void> begin();
    std::optional<Sight> ask_to_submit();
    void on_submitted(const Result<int>& id);
    void ask_to_cancel();
    const JobRow* row() const;

    Context& context_;
    // An answer that is under way refers to the attempt only while it lives.
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
    Asked asked_;
};

}  // namespace sust::cluster::simulated
