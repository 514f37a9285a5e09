#include "cluster/simulated/back_end.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/simulated/config.h"
#include "cluster/simulated/site_job.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace simulated {
namespace {

constexpr Duration k_site_period = 5s;
constexpr Duration k_period_min = 100ms;

class Simulated final : public Book {
  public:
    Simulated(SimulatedOptions options, const core::Clock& clock, core::Log log)
        : Book(options.book, clock, std::move(log)),
          simulated_(std::move(options)),
          client_(simulated_.socket, simulated_.patience, clock_),
          worker_("simulated"),
          context_{.options = simulated_,
                   .clock = clock_,
                   .log = log_,
                   .client = client_,
                   .worker = worker_,
                   .opened = clock_.monotonic()} {}

    Result<void> find() { return open(); }

    std::string_view name() const override { return simulated_.name; }
    std::set<Capability> capabilities() const override {
        return {Capability::several_nodes, Capability::several_tasks, Capability::gpus,
                Capability::memory_limits, Capability::time_limits,   Capability::priorities,
                Capability::partitions,    Capability::exclude_nodes, Capability::hold_nodes,
                Capability::files,         Capability::job_directory, Capability::start_estimates,
                Capability::notice};
    }
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
        return std::make_unique<SiteJob>(std::move(job), context_);
    }
    std::vector<std::string> launcher(const JobSpec& spec) const override {
        return launcher_of(spec, simulated_);
    }
    bool may_forget(const BookedJob& job) const override { return is_final(job.status().state); }

  private:
    // `question` on the back end's thread, `then` with its answer in poll().
    template <class T>
    Result<void> ask(std::function<Result<T>()> question, std::function<void(Result<T>)> then) {
        const auto answer = std::make_shared<Result<T>>();
        return worker_.post([answer, question = std::move(question)] { *answer = question(); },
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
    Result<Node> node_named(std::string_view name) const;

    SimulatedOptions simulated_;
    Client client_;
    Worker worker_;
    Context context_;
    bool listing_asked_ = false;
    bool site_asked_ = false;
    core::MonoTime next_listing_{};
    core::MonoTime next_site_{};
};

// --- What could ever run ---------------------------------------------------------------------

Result<void> fits(const JobSpec& spec, const PartitionRow& partition) {
    const auto& shape = spec.shape;
    const auto refuse = [&](std::string_view field, const std::string& what) {
        return fail(Fault::invalid, fmt::format("partition {} has {}", partition.name, what),
                    {.where = std::string(field)});
    };
    if (shape.nodes > partition.nodes) {
        return refuse("nodes", fmt::format("{} nodes", partition.nodes));
    }
    if (shape.cpus_per_task * shape.tasks_per_node > partition.cores) {
        return refuse("cpus_per_task", fmt::format("nodes of {} cores", partition.cores));
    }
    if (shape.memory_bytes > partition.memory_bytes) {
        return refuse("memory", "nodes of " + core::format_size(partition.memory_bytes));
    }
    if (shape.gpus.count > partition.gpus.count) {
        return refuse("gpus", fmt::format("nodes of {} GPUs", partition.gpus.count));
    }
    if (partition.longest && spec.time_limit > *partition.longest) {
        return refuse("time.limit", "a time limit of " + core::format_duration(*partition.longest));
    }
    return {};
}

Result<void> Simulated::accepts(const JobSpec& spec) const {
    TRY(check_capabilities(spec, *this));
    TRY(submission_of(spec, simulated_));
    if (!context_.site) {
        return {};  // nothing is known yet; the site may still refuse
    }
    const auto* partition = context_.partition_of(spec);
    if (partition == nullptr) {
        std::vector<std::string> names;
        for (const auto& known : context_.site->partitions) {
            names.push_back(known.name);
        }
        return fail(Fault::invalid,
                    spec.partition.empty() ? "the site has no default partition"
                                           : fmt::format("no partition '{}'", spec.partition),
                    {.where = "partition", .hint = "there are: " + core::join(names, ", ")});
    }
    return fits(spec, *partition);
}

// --- Looking ---------------------------------------------------------------------------------

void Simulated::ask_for_jobs() {
    const auto now = clock_.monotonic();
    const bool live = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& entry) {
        return !is_final(entry.second->status().state);
    });
    if (listing_asked_ || now < next_listing_ || !live) {
        return;
    }
    next_listing_ = now + std::max(simulated_.period, k_period_min);
    listing_asked_ = ask<Listing>([this] { return client_.list(); },
                                  [this](Result<Listing> listing) { take(std::move(listing)); })
                         .has_value();
}

void Simulated::take(Result<Listing> listing) {
    listing_asked_ = false;
    if (!listing) {
        if (context_.trouble.empty()) {
            log_.warn("the site does not answer", {{"error", core::to_string(listing.error())}});
        }
        context_.trouble = core::to_string(listing.error());
        return;
    }
    context_.trouble.clear();
    context_.rows.clear();
    for (auto& row : listing->jobs) {
        // Of two with one token and epoch (a submission that was repeated) the later is the one
        // whose wrapper was refused.
        const auto key = std::pair(row.token, row.epoch);
        context_.rows.emplace(key, std::move(row));
    }
    listing->jobs.clear();
    context_.listing = std::move(*listing);
}

void Simulated::ask_for_site() {
    const auto now = clock_.monotonic();
    if (site_asked_ || now < next_site_) {
        return;
    }
    next_site_ = now + k_site_period;
    site_asked_ = ask<SiteView>([this] { return client_.look(); },
                                [this](Result<SiteView> site) {
                                    site_asked_ = false;
                                    if (site) {
                                        context_.site = std::move(*site);
                                    }
                                })
                      .has_value();
}

void Simulated::poll() {
    worker_.collect();
    ask_for_jobs();
    ask_for_site();
    Book::poll();
}

// --- Nodes -----------------------------------------------------------------------------------

Result<std::vector<Node>> Simulated::nodes() {
    if (!context_.site) {
        return fail(Fault::unavailable,
                    fmt::format("{} has not been looked at yet", simulated_.name),
                    {.hint = "sust backend check " + simulated_.name});
    }
    return context_.site->nodes;
}

Result<Node> Simulated::node_named(std::string_view name) const {
    for (const auto& node : context_.site ? context_.site->nodes : std::vector<Node>()) {
        if (node.name == name) {
            return node;
        }
    }
    return fail(Fault::not_found, "no node '" + core::printable(name, 80) + "'");
}

void Simulated::hold(std::string_view node, std::string_view reason, Then<void> then) {
    const auto known = node_named(node);
    if (!known) {
        return then(tl::unexpected<core::Error>(known.error()));
    }
    if (!known->held && !known->reason.empty()) {
        return then(fail(Fault::conflict,
                         fmt::format("{} is held by somebody else: {}", node, known->reason)));
    }
    next_site_ = {};
    ask_or_tell<void>([this, name = std::string(node),
                       said = std::string(reason)] { return client_.hold(name, said); },
                      std::move(then));
}

void Simulated::release(std::string_view node, Then<void> then) {
    const auto known = node_named(node);
    if (!known) {
        return then(tl::unexpected<core::Error>(known.error()));
    }
    if (!known->held) {
        return then(known->reason.empty()
                        ? Result<void>()
                        : fail(Fault::conflict, fmt::format("{} is held by somebody else: {}", node,
                                                            known->reason)));
    }
    next_site_ = {};
    ask_or_tell<void>([this, name = std::string(node)] { return client_.release(name); },
                      std::move(then));
}

// --- Questions -------------------------------------------------------------------------------

void Simulated::outlook(const JobSpec& spec, Then<Outlook> then) {
    if (auto accepted = accepts(spec); !accepted) {
        return then(tl::unexpected<core::Error>(std::move(accepted).error()));
    }
    auto said = submission_of(spec, simulated_);
    if (!said) {
        return then(tl::unexpected<core::Error>(std::move(said).error()));
    }
    ask_or_tell<Outlook>([this, said = std::move(*said)] { return client_.outlook(said); },
                         std::move(then));
}

void Simulated::check(Then<std::vector<CheckLine>> then) {
    using Outcome = CheckLine::Outcome;
    ask_or_tell<std::vector<CheckLine>>(
        [this]() -> Result<std::vector<CheckLine>> {
            std::vector<CheckLine> lines;
            const auto site = client_.look();
            lines.push_back(
                {.what = "site",
                 .outcome = site ? Outcome::good : Outcome::bad,
                 .detail = site ? fmt::format("{}: {} nodes, clock {}, commands are {}", site->name,
                                              site->nodes.size(), to_string(site->pace),
                                              site->plays ? "played" : "run")
                                : core::to_string(site.error()),
                 .hint =
                     site ? "" : "sust simulate SITE.toml --socket " + simulated_.socket.string()});
            const bool agent = core::path_exists(simulated_.agent);
            lines.push_back({.what = "wrapper",
                             .outcome = agent ? Outcome::good : Outcome::bad,
                             .detail = simulated_.agent.string(),
                             .hint = agent ? "" : "install sust-agent beside sustd"});
            const auto free = core::free_bytes(simulated_.book.jobs);
            lines.push_back({.what = "carrier",
                             .outcome = free ? Outcome::good : Outcome::bad,
                             .detail = fmt::format("{}, {} free", simulated_.book.jobs.string(),
                                                   free ? core::format_size(*free) : "?"),
                             .hint = free ? "" : "is its file system there?"});
            return lines;
        },
        std::move(then));
}

}  // namespace

Result<SimulatedOptions> read_options(const std::string& name, const core::TomlTable& table,
                                      const SiteDefaults& defaults) {
    SimulatedOptions options{.name = name, .book = {}, .base = defaults.base};
    options.socket = TRY(absolute_path(table, "socket", {}));
    options.book.jobs = TRY(absolute_path(table, "jobs", {}));
    options.book.max_live_jobs = k_live_jobs_max;
    options.agent = TRY(absolute_path(table, "agent", defaults.agent));
    options.partition = TRY(table.text("partition")).value_or("");
    options.account = TRY(table.text("account")).value_or("");
    options.period = TRY(at_least(table, "period", k_period_min, options.period));
    options.patience = TRY(at_least(table, "patience", 1s, options.patience));
    options.carrier_grace = TRY(at_least(table, "carrier_grace", 0s, options.carrier_grace));
    options.silence = TRY(at_least(table, "silence", 10s, options.silence));
    return options;
}

Result<cluster::Site> read_site(const std::string& name, const core::TomlTable& table,
                                const SiteDefaults& defaults) {
    const auto options = TRY(read_options(name, table, defaults));
    return cluster::Site{.name = name, .open = [options](const core::Clock& clock, core::Log log) {
                             return open_simulated(options, clock, std::move(log));
                         }};
}

}  // namespace simulated

Result<std::unique_ptr<Scheduler>> open_simulated(SimulatedOptions options,
                                                  const core::Clock& clock, core::Log log) {
    auto opened = std::make_unique<simulated::Simulated>(std::move(options), clock, std::move(log));
    TRY(opened->find());
    return std::unique_ptr<Scheduler>(std::move(opened));
}

}  // namespace sust::cluster
