#include "cluster/slurm/slurm.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cluster/sites/users.h"
#include "cluster/slurm/batch.h"
#include "cluster/slurm/check.h"
#include "cluster/slurm/commands.h"
#include "cluster/slurm/job.h"
#include "cluster/slurm/limits.h"
#include "cluster/slurm/rest.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace slurm {
namespace {

constexpr Duration k_site_period = 10s;
constexpr Duration k_period_min = 1s;
// Of all jobs in a period, at most: each job is due once in it, and thousands are not visited at
// every tick and after every answer to find a few due.
constexpr int k_passes = 4;
// A disk syncs what several ask for in one go.
constexpr std::size_t k_writers = 2;

std::unique_ptr<Transport> open_transport(const SlurmOptions& options, const Principals& principals,
                                          const core::Clock& clock) {
    if (!options.rest.address.empty()) {
        return std::make_unique<Rest>(options.rest, open_exchange(options.rest.address, clock),
                                      options.patience, clock);
    }
    return std::make_unique<Commands>(options, principals, clock);
}

class Slurm final : public Book {
  public:
    Slurm(SlurmOptions options, Principals principals, const core::Clock& clock, core::Log log)
        : Book(options.book, clock, std::move(log)),
          slurm_(std::move(options)),
          principals_(std::move(principals)),
          transport_(open_transport(slurm_, principals_, clock_)),
          worker_("slurm"),
          submitters_("slurm-submit", static_cast<std::size_t>(slurm_.submissions)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          context_{.options = slurm_,
                   .clock = clock_,
                   .log = log_,
                   .transport = *transport_,
                   .principals = principals_,
                   .worker = worker_,
                   .submitters = submitters_,
                   .opened = clock_.monotonic()} {}

    Result<void> find();

    std::string_view name() const override { return slurm_.name; }
    std::set<Capability> capabilities() const override;
    std::string network() const override { return slurm_.network; }
    std::optional<Duration> longest(const JobSpec& spec) const override {
        const auto* partition = context_.partition_of(spec);
        return partition == nullptr ? std::nullopt : partition->longest;
    }
    Result<void> accepts(const JobSpec& spec) const override;
    void poll() override;
    int wake_fd() const override { return epoll_.get(); }
    Result<std::vector<Node>> nodes() override;
    void hold(std::string_view node, std::string_view reason, Then<void> then) override;
    void release(std::string_view node, Then<void> then) override;
    void outlook(const JobSpec& spec, Then<Outlook> then) override;
    void check(Then<std::vector<CheckLine>> then) override;

  protected:
    Worker* writers() override { return &writers_; }
    std::unique_ptr<BookedJob> book(KeptJob job) override {
        return std::make_unique<SlurmJob>(std::move(job), context_);
    }
    Result<std::optional<core::Identity>> owner_for(const JobSpec& spec) const override {
        return principals_.owner_for(spec, slurm_.name);
    }
    Result<std::optional<core::Identity>> owner_of(const Path& directory) const override;
    std::vector<std::string> launcher(const JobSpec& spec) const override {
        return launcher_of(spec, slurm_);
    }
    bool may_forget(const BookedJob& job) const override { return is_final(job.status().state); }

  private:
    // `ask` on the thread that asks, `then` with its answer in poll().
    template <class T>
    Result<void> ask(std::function<Result<T>()> ask, std::function<void(Result<T>)> then) {
        const auto answer = std::make_shared<Result<T>>();
        return worker_.post([answer, ask = std::move(ask)] { *answer = ask(); },
                            [answer, then = std::move(then)] { then(std::move(*answer)); });
    }
    template <class T>
    void ask_or_tell(std::function<Result<T>()> question, Then<T> then) {
        if (auto posted = ask<T>(std::move(question), then); !posted) {
            then(tl::unexpected<core::Error>(std::move(posted).error()));
        }
    }
    void ask_for_jobs();
    void ask_for_site();
    void ask_for_past();
    void take(Result<Listing> listing);
    Result<Node*> node_named(std::string_view name);
    Then<void> then_seen(std::string node, std::string reason, Then<void> then);

    SlurmOptions slurm_;
    Principals principals_;
    std::unique_ptr<Transport> transport_;
    Worker worker_;
    Worker submitters_;
    // Apart from the submitters, all of whom a controller that hangs may hold.
    Worker writers_{"slurm-words", k_writers};
    core::Fd epoll_;
    Context context_;
    bool listing_asked_ = false;
    bool site_asked_ = false;
    core::MonoTime next_listing_{};
    core::MonoTime next_site_{};
    core::MonoTime next_pass_{};
};

Result<void> Slurm::find() {
    for (const auto* worker : {&worker_, &submitters_, &writers_}) {
        epoll_event event{.events = EPOLLIN, .data = {}};
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, worker->fd(), &event) != 0) {
            return core::fail_errno("watch the threads of a back end", errno);
        }
    }
    return open();
}

// --- What could ever run ---------------------------------------------------------------------

std::set<Capability> Slurm::capabilities() const {
    std::set<Capability> all{Capability::several_nodes, Capability::notice,
                             Capability::several_tasks, Capability::gpus,
                             Capability::memory_limits, Capability::time_limits,
                             Capability::priorities,    Capability::partitions,
                             Capability::exclude_nodes, Capability::start_estimates,
                             Capability::hold_nodes,    Capability::files,
                             Capability::job_directory};
    if (!principals_.empty()) {
        all.insert(Capability::principals);
    }
    for (const auto lack : transport_->lacks()) {
        all.erase(lack);
    }
    return all;
}

// Slurm is asked as the owner, which has to be on the list for that.
Result<std::optional<core::Identity>> Slurm::owner_of(const Path& directory) const {
    auto owner = principals_.owner_of(directory);
    if (owner && principals_.of(owner->uid) == nullptr) {
        return fail(Fault::denied,
                    fmt::format("{} is no principal of {} any more", owner->name, slurm_.name),
                    {.where = directory.string(), .hint = "list it again to go on with its jobs"});
    }
    return owner;
}

Result<void> Slurm::accepts(const JobSpec& spec) const {
    TRY(check_capabilities(spec, *this));
    TRY(owner_for(spec));
    TRY(check_options(spec, *transport_));
    if (!context_.site) {
        return {};  // nothing is known yet; sbatch may still refuse
    }
    const auto* partition = context_.partition_of(spec);
    if (partition == nullptr && !context_.site->tells_default && spec.partition.empty() &&
        slurm_.partition.empty()) {
        return {};  // which one is meant only Slurm knows
    }
    if (partition == nullptr) {
        std::vector<std::string> names;
        for (const auto& known : context_.site->partitions) {
            names.push_back(known.name);
        }
        return fail(Fault::invalid,
                    spec.partition.empty() ? "Slurm has no default partition"
                                           : fmt::format("no partition '{}'", spec.partition),
                    {.where = "partition", .hint = "there are: " + core::join(names, ", ")});
    }
    return fits(spec, *partition);
}

// --- Looking ---------------------------------------------------------------------------------

void Slurm::ask_for_jobs() {
    const auto now = clock_.monotonic();
    const bool live = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& entry) {
        return !is_final(entry.second->status().state);
    });
    if (listing_asked_ || now < next_listing_ || !live) {
        return;
    }
    next_listing_ = now + std::max(slurm_.period, k_period_min);
    listing_asked_ = ask<Listing>([this] { return transport_->list(); },
                                  [this](Result<Listing> listing) { take(std::move(listing)); })
                         .has_value();
}

void Slurm::take(Result<Listing> listing) {
    listing_asked_ = false;
    if (!listing) {
        if (context_.trouble.empty()) {
            log_.warn("Slurm does not answer", {{"error", core::to_string(listing.error())}});
        }
        context_.trouble = core::to_string(listing.error());
        return;
    }
    context_.trouble.clear();
    context_.rows.clear();
    for (auto& row : listing->jobs) {
        // Of two with one token and epoch (a submission that was repeated) the later is the one
        // whose wrapper was refused.
        RowKey key(row.user, row.token, row.epoch);
        context_.rows.try_emplace(std::move(key), std::move(row));
    }
    listing->jobs.clear();
    context_.listing = std::move(*listing);
}

void Slurm::ask_for_site() {
    const auto now = clock_.monotonic();
    if (site_asked_ || now < next_site_) {
        return;
    }
    next_site_ = now + k_site_period;
    site_asked_ = ask<Site>([this] { return transport_->look(); },
                            [this](Result<Site> site) {
                                site_asked_ = false;
                                if (site) {
                                    context_.site = std::move(*site);
                                    context_.site_trouble.clear();
                                } else {
                                    context_.site_trouble = core::to_string(site.error());
                                }
                            })
                      .has_value();
}

void Slurm::ask_for_past() {
    auto ids = context_.memory.begin_question(clock_.monotonic());
    if (ids.empty()) {
        return;
    }
    const auto take = [this, ids](const Result<std::vector<PastRow>>& told) {
        context_.memory.take(ids, told, clock_.monotonic());
    };
    ask_or_tell<std::vector<PastRow>>([this, ids] { return transport_->recall(ids); }, take);
}

void Slurm::poll() {
    for (auto* worker : {&worker_, &submitters_, &writers_}) {
        worker->collect();
    }
    ask_for_jobs();
    ask_for_site();
    if (const auto now = clock_.monotonic(); now >= next_pass_ && now >= context_.due) {
        next_pass_ = now + slurm_.period / k_passes;
        context_.due = core::MonoTime::max();
        Book::poll();
    } else {
        tell();
    }
    ask_for_past();
}

// --- Nodes -----------------------------------------------------------------------------------

Result<std::vector<Node>> Slurm::nodes() {
    if (!context_.site) {
        return fail(Fault::unavailable, fmt::format("{} has not been looked at yet", slurm_.name),
                    {.hint = "sust backend check " + slurm_.name});
    }
    return context_.site->nodes;
}

Result<Node*> Slurm::node_named(std::string_view name) {
    if (context_.site) {
        auto& nodes = context_.site->nodes;
        const auto found = std::find_if(nodes.begin(), nodes.end(),
                                        [&](const Node& one) { return one.name == name; });
        if (found != nodes.end()) {
            return &*found;
        }
    }
    return fail(Fault::not_found, "no node '" + core::printable(name, 80) + "'");
}

// Who releases a node right after it was held does not wait for the next look at the site.
Scheduler::Then<void> Slurm::then_seen(std::string node, std::string reason, Then<void> then) {
    return [this, node = std::move(node), reason = std::move(reason),
            then = std::move(then)](Result<void> done) {
        if (const auto known = node_named(node); done && known) {
            (*known)->held = !reason.empty();
            (*known)->hold_reason = reason;
        }
        then(std::move(done));
    };
}

void Slurm::hold(std::string_view node, std::string_view reason, Then<void> then) {
    const auto known = node_named(node);
    if (!known) {
        return then(tl::unexpected<core::Error>(known.error()));
    }
    if (!(*known)->held && !(*known)->reason.empty() && (*known)->state != NodeState::idle) {
        return then(fail(Fault::conflict,
                         fmt::format("{} is held by somebody else: {}", node, (*known)->reason)));
    }
    next_site_ = {};
    const auto said = core::printable(reason, 200);
    ask_or_tell<void>(
        [this, name = std::string(node), said] { return transport_->drain(name, said); },
        then_seen(std::string(node), said, std::move(then)));
}

void Slurm::release(std::string_view node, Then<void> then) {
    const auto known = node_named(node);
    if (!known) {
        return then(tl::unexpected<core::Error>(known.error()));
    }
    if (!(*known)->held) {
        return then((*known)->reason.empty()
                        ? Result<void>()
                        : fail(Fault::conflict, fmt::format("{} is held by somebody else: {}", node,
                                                            (*known)->reason)));
    }
    next_site_ = {};
    ask_or_tell<void>([this, name = std::string(node)] { return transport_->resume(name); },
                      then_seen(std::string(node), "", std::move(then)));
}

// --- Questions -------------------------------------------------------------------------------

void Slurm::outlook(const JobSpec& spec, Then<Outlook> then) {
    if (auto accepted = accepts(spec); !accepted) {
        return then(tl::unexpected<core::Error>(std::move(accepted).error()));
    }
    ask_or_tell<Outlook>(
        [this, what = resources_of(spec, slurm_, spec.time_limit, longest(spec))] {
            return transport_->outlook(what);
        },
        std::move(then));
}

void Slurm::check(Then<std::vector<CheckLine>> then) {
    ask_or_tell<std::vector<CheckLine>>(
        [this]() -> Result<std::vector<CheckLine>> {
            return check_site(*transport_, slurm_, clock_);
        },
        std::move(then));
}

}  // namespace
}  // namespace slurm

Result<std::unique_ptr<Scheduler>> open_slurm(SlurmOptions options, const core::Clock& clock,
                                              core::Log log) {
    if (!options.book.jobs.is_absolute() || !options.agent.is_absolute()) {
        return fail(Fault::invalid, "jobs and agent are to be absolute paths that nodes see too",
                    {.where = "backend." + options.name});
    }
    if (!options.principals.empty() && ::geteuid() != 0) {
        return fail(
            Fault::denied, "only root runs jobs as others",
            {.where = "principals", .hint = "run sustd as root, or leave out `principals`"});
    }
    auto principals = TRY(core::within("principals", find_principals(options.principals)));
    options.book.jobs_mode = principals.empty() ? 0700 : k_passage_mode;
    auto slurm = std::make_unique<slurm::Slurm>(std::move(options), std::move(principals), clock,
                                                std::move(log));
    TRY(slurm->find());
    return std::unique_ptr<Scheduler>(std::move(slurm));
}

}  // namespace sust::cluster
