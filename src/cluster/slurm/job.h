#pragma once

// One job of the Slurm back end: what its files and Slurm's list say, and what follows from that.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "cluster/book.h"
#include "cluster/principals.h"
#include "cluster/slurm/memory.h"
#include "cluster/slurm/slurm.h"
#include "cluster/slurm/transport.h"
#include "cluster/worker.h"

namespace sust::cluster::slurm {

// A comment is not a proof of whose a job is; with its user it is.
using RowKey = std::tuple<std::string, Token, std::int64_t>;

// What all jobs of one back end share. Changed on the control loop's thread alone.
struct Context {
    const SlurmOptions& options;
    const core::Clock& clock;
    const core::Log& log;
    Transport& transport;
    const Principals& principals;
    Worker& worker;      // questions, in order
    Worker& submitters;  // several at once
    core::MonoTime opened{};
    std::optional<Listing> listing{};
    std::map<RowKey, QueueRow, std::less<>> rows{};  // of the listing
    std::string trouble{};                           // why the last question was not answered
    std::optional<Site> site{};
    std::string site_trouble{};  // why its partitions were not told last time
    Memory memory{};
    core::MonoTime due{};  // when a job is to be looked at next

    // Whether the list was asked for after `then`.
    bool has_listing_after(core::MonoTime then) const { return listing && listing->asked > then; }
    const Partition* partition_of(const JobSpec& spec) const;
};

class SlurmJob final : public BookedJob {
  public:
    SlurmJob(KeptJob kept, Context& context) : BookedJob(std::move(kept)), context_(context) {}

    bool look() override;
    Result<void> stop() override;
    Result<std::int64_t> resubmit(const Orders& orders) override;

  private:
    void look_soon();
    // Nothing: there is nothing new to say.
    std::optional<Sight> see();
    std::optional<Sight> see_row(const QueueRow& row, const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_stopped(Sight words);
    std::optional<Sight> see_end(End end, const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_absent(const std::optional<AttemptWord>& attempt);
    std::optional<Sight> see_hopeless(const QueueRow& row);
    std::optional<Sight> see_unsubmitted();
    Sight see_silence(const AttemptWord& attempt);
    std::optional<Sight> ask_to_submit();
    void on_submitted(const Result<std::string>& id);
    bool keep_number() const;
    void ask_to_cancel();
    // Whose job it is to Slurm.
    const std::string& user() const;
    const Principal* principal() const;
    bool is_forgotten() const;
    std::optional<End> recall();
    const QueueRow* row() const;  // Slurm's, if it lists the attempt
    Sight conclude(End end, std::string reason);
    Result<void> begin();
    void forget_attempt();

    Context& context_;
    // A question that is under way refers to the job only while it lives.
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
    std::string id_;              // Slurm's number, once known
    bool begun_reading_ = false;  // what an earlier controller kept was read
    bool cancelled_ = false;
    core::MonoTime next_look_{};  // files of a shared file system are not looked at every tick
    bool asking_ = false;         // sbatch runs
    bool cancelling_ = false;
    int tries_ = 0;
    std::optional<core::Error> refusal_;  // by sbatch
    std::string trouble_;
    core::MonoTime next_try_{};
    core::MonoTime
        doubtful_since_{};  // the list must be newer before it says that we are not there
    std::optional<core::MonoTime> ended_since_;
    std::optional<core::MonoTime> hopeless_since_;
    std::string beat_;  // the last heartbeat that was read
    core::MonoTime beat_since_{};
};

}  // namespace sust::cluster::slurm
