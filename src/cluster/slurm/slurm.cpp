#include "cluster/slurm/slurm.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include "cluster/slurm/batch.h"
#include "cluster/slurm/job.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace slurm {
namespace {

constexpr Duration k_site_period = 10s;
constexpr Duration k_period_min = 1s;

class Slurm final : public Book {
  public:
    Slurm(SlurmOptions options, const core::Clock& clock, core::Log log)
        : Book(options.book, clock, std::move(log)),
          slurm_(std::move(options)),
          commands_(slurm_.commands, slurm_.patience, clock_),
          worker_("slurm"),
          context_{.options = slurm_,
                   .clock = clock_,
                   .log = log_,
                   .commands = commands_,
                   .worker = worker_,
                   .opened = clock_.monotonic()} {}

    Result<void> find() { return open(); }

    std::string_view name() const override { return slurm_.name; }
    std::set<Capability> capabilities() const override {
        return {Capability::gpus,
                Capability::memory_limits,
                Capability::time_limits,
                Capability::priorities,
                Capability::partitions,
                Capability::exclude_nodes,
                Capability::start_estimates,
                Capability::hold_nodes,
                Capability::job_directory};
    }
    std::string network() const override { return slurm_.network; }
    std::optional<Duration> longest(const JobSpec& spec) const override {
        const auto* partition = context_.partition_of(spec);
        return partition == nullptr ? std::nullopt : partition->longest;
    }
    Result<void> accepts(const JobSpec& spec) const override;
    void poll() override;
    int wake_fd() const override { return worker_.fd(); }
    Result<std::vector<Node>> nodes() override;
    void hold(std::string_view node, std::string_view reason, Then<void> then) override;
    void release(std::string_view node, Then<void> then) override;
    void outlook(const JobSpec& spec, Then<Outlook> then) override;
    void check(Then<std::vector<CheckLine>> then) override;

  protected:
    std::unique_ptr<BookedJob> book(KeptJob job) override {
        return std::make_unique<SlurmJob>(std::move(job), context_);
    }
    bool may_forget(const BookedJob& job) const override { return is_final(job.status().state); }

  private:
    // `ask` on the back end's thread, `then` with its answer in poll().
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
    void take(Result<Listing> listing);
    Result<const Node*> node_named(std::string_view name) const;

    SlurmOptions slurm_;
    Commands commands_;
    Worker worker_;
    Context context_;
    bool listing_asked_ = false;
    bool site_asked_ = false;
    core::MonoTime next_listing_{};
    core::MonoTime next_site_{};
};

// --- What could ever run ---------------------------------------------------------------------

tl::unexpected<core::Error> too_much(std::string_view field, std::string what,
                                     const Partition& partition) {
    return fail(Fault::invalid, fmt::format("partition {} has {}", partition.name, what),
                {.where = std::string(field)});
}

// Slurm takes what can never run and lets it wait for ever; what it has is known.
Result<void> fits(const JobSpec& spec, const Partition& partition) {
    const auto& shape = spec.shape;
    if (shape.nodes > partition.nodes) {
        return too_much("nodes", fmt::format("{} nodes", partition.nodes), partition);
    }
    if (shape.cpus_per_task * shape.tasks_per_node > partition.cores) {
        return too_much("cpus_per_task", fmt::format("nodes of {} cores", partition.cores),
                        partition);
    }
    if (shape.memory_bytes > partition.memory_bytes) {
        return too_much("memory", "nodes of " + core::format_size(partition.memory_bytes),
                        partition);
    }
    if (shape.gpus.count > partition.gpus.count ||
        (!shape.gpus.type.empty() && shape.gpus.type != partition.gpus.type)) {
        return too_much(
            "gpus", fmt::format("nodes of {} GPUs {}", partition.gpus.count, partition.gpus.type),
            partition);
    }
    if (partition.longest && spec.time_limit > *partition.longest) {
        return too_much("time.limit",
                        "a time limit of " + core::format_duration(*partition.longest), partition);
    }
    return {};
}

Result<void> Slurm::accepts(const JobSpec& spec) const {
    TRY(check_capabilities(spec, *this));
    TRY(check_options(spec));
    if (!context_.site) {
        return {};  // nothing is known yet; sbatch may still refuse
    }
    const auto* partition = context_.partition_of(spec);
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
    listing_asked_ = ask<Listing>([this] { return commands_.list(); },
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
    for (const auto& row : listing->jobs) {
        // Of two with one token and epoch (a submission that was repeated) the later is the one
        // whose wrapper was refused.
        context_.rows.emplace(std::pair(row.token, row.epoch), row);
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
    site_asked_ = ask<Site>([this] { return commands_.look(); },
                            [this](Result<Site> site) {
                                site_asked_ = false;
                                if (site) {
                                    context_.site = std::move(*site);
                                }
                            })
                      .has_value();
}

void Slurm::poll() {
    worker_.collect();
    ask_for_jobs();
    ask_for_site();
    Book::poll();
}

// --- Nodes -----------------------------------------------------------------------------------

Result<std::vector<Node>> Slurm::nodes() {
    if (!context_.site) {
        return fail(Fault::unavailable, fmt::format("{} has not been looked at yet", slurm_.name),
                    {.hint = "sust backend check " + slurm_.name});
    }
    return context_.site->nodes;
}

Result<const Node*> Slurm::node_named(std::string_view name) const {
    for (const auto& node : context_.site ? context_.site->nodes : std::vector<Node>()) {
        if (node.name == name) {
            return &*std::find_if(context_.site->nodes.begin(), context_.site->nodes.end(),
                                  [&](const Node& one) { return one.name == name; });
        }
    }
    return fail(Fault::not_found, "no node '" + core::printable(name, 80) + "'");
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
    ask_or_tell<void>([this, name = std::string(node),
                       said = core::printable(reason, 200)] { return commands_.drain(name, said); },
                      std::move(then));
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
    ask_or_tell<void>([this, name = std::string(node)] { return commands_.resume(name); },
                      std::move(then));
}

// --- Questions -------------------------------------------------------------------------------

void Slurm::outlook(const JobSpec& spec, Then<Outlook> then) {
    if (auto accepted = accepts(spec); !accepted) {
        return then(tl::unexpected<core::Error>(std::move(accepted).error()));
    }
    auto words = resource_words(spec, slurm_, spec.time_limit, longest(spec), spec.exclude_nodes);
    words.emplace_back("--wrap=true");
    ask_or_tell<Outlook>([this, words = std::move(words)] { return commands_.outlook(words); },
                         std::move(then));
}

CheckLine line_of(std::string what, const Result<std::string>& said, std::string hint) {
    return {.what = std::move(what),
            .outcome = said ? CheckLine::Outcome::good : CheckLine::Outcome::bad,
            .detail = said ? *said : core::to_string(said.error()),
            .hint = said ? "" : std::move(hint)};
}

// A file that this machine writes and a node reads, and what time it is there.
std::vector<CheckLine> check_carrier(const Commands& commands, const SlurmOptions& options,
                                     const core::Clock& clock) {
    const auto file = options.book.jobs / fmt::format(".check-{}", ::getpid());
    const std::string word = "sust sees this";
    std::vector<CheckLine> lines;
    const auto told = [&]() -> Result<std::string> {
        TRY(core::write_file(file, word));
        std::vector<std::string> where;
        if (!options.partition.empty()) {
            where.push_back("--partition=" + options.partition);
        }
        return commands.run_there(
            where, {"/bin/sh", "-c", "cat \"$1\" && echo && date +%s && test -x \"$2\" && echo ok",
                    "sh", file.string(), options.agent.string()});
    }();
    const auto parts = core::split(told.value_or(""), '\n');
    const bool read = !parts.empty() && parts[0] == word;
    lines.push_back({.what = "carrier",
                     .outcome = read ? CheckLine::Outcome::good : CheckLine::Outcome::bad,
                     .detail = read ? "a node reads " + options.book.jobs.string()
                                    : (told ? "a node does not read it" : to_string(told.error())),
                     .hint = read ? "" : "put `jobs` on a file system that every node mounts"});
    if (parts.size() > 1) {
        const auto there = core::parse_integer(parts[1]).value_or(0);
        const auto here =
            std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch())
                .count();
        const auto offset = there - here;
        const bool near = offset > -30 && offset < 30;
        lines.push_back({.what = "clock",
                         .outcome = near ? CheckLine::Outcome::good : CheckLine::Outcome::warning,
                         .detail = fmt::format("{} s ahead of ours", offset),
                         .hint = near ? "" : "set the nodes' clocks (NTP)"});
        const bool agent = parts.size() > 2 && parts[2] == "ok";
        lines.push_back({.what = "wrapper",
                         .outcome = agent ? CheckLine::Outcome::good : CheckLine::Outcome::bad,
                         .detail = options.agent.string(),
                         .hint = agent ? "" : "put sust-agent where every node can execute it"});
    }
    (void)::unlink(file.c_str());
    return lines;
}

void Slurm::check(Then<std::vector<CheckLine>> then) {
    ask_or_tell<std::vector<CheckLine>>(
        [this]() -> Result<std::vector<CheckLine>> {
            std::vector<CheckLine> lines;
            lines.push_back(line_of("commands", commands_.version(),
                                    "install Slurm's client commands, or set SLURM_CONF"));
            const auto ping = commands_.ping();
            lines.push_back(line_of(
                "controller",
                ping ? Result<std::string>("answers") : tl::unexpected<core::Error>(ping.error()),
                "is slurmctld up, and SLURM_CONF that of this cluster?"));
            const auto listing = commands_.list();
            lines.push_back(line_of(
                "jobs",
                listing ? Result<std::string>(fmt::format("{} of ours", listing->jobs.size()))
                        : tl::unexpected<core::Error>(listing.error()),
                "may this user run squeue?"));
            if (ping) {
                for (auto& line : check_carrier(commands_, slurm_, clock_)) {
                    lines.push_back(std::move(line));
                }
            }
            return lines;
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
    auto slurm = std::make_unique<slurm::Slurm>(std::move(options), clock, std::move(log));
    TRY(slurm->find());
    return std::unique_ptr<Scheduler>(std::move(slurm));
}

}  // namespace sust::cluster
