#include "cluster/local.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <limits>
#include <numeric>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/cgroup.h"
#include "cluster/local_job.h"
#include "cluster/machine.h"
#include "cluster/tasks.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_hold_bytes_max = 16 << 10;

Shares::Machine machine_of(const LocalSettings& settings) {
    auto gpus = gpu_indexes();
    if (settings.gpus) {
        gpus.resize(static_cast<std::size_t>(*settings.gpus));
        std::iota(gpus.begin(), gpus.end(), 0);
    }
    return {
        .cores = core_indexes(), .memory_bytes = this_node().memory_bytes, .gpus = std::move(gpus)};
}

class Local final : public Book {
  public:
    Local(LocalOptions options, const core::Clock& clock, core::Log log, std::string boot_id)
        : Book(std::move(options.book), clock, std::move(log)),
          context_{.agent = std::move(options.agent),
                   .start_wait = options.start_wait,
                   .overdue = options.overdue,
                   .clock = clock_,
                   .log = log_,
                   .boot_id = std::move(boot_id),
                   .shares = Shares(machine_of(options.settings)),
                   .principals = std::move(options.settings.principals)},
          place_(std::move(options.settings.jobs)),
          gpu_type_(options.settings.gpu_type.empty() ? gpu_model() : options.settings.gpu_type) {}
    ~Local() override { jobs_.clear(); }  // they refer to the context

    Result<void> find(const Path& cgroup);

    std::string_view name() const override { return "local"; }
    std::set<Capability> capabilities() const override {
        std::set<Capability> able = {Capability::several_tasks,   Capability::gpus,
                                     Capability::memory_limits,   Capability::notice,
                                     Capability::priorities,      Capability::hold_nodes,
                                     Capability::files,           Capability::job_directory,
                                     Capability::start_estimates, Capability::this_machine};
        if (may_become_others()) {
            able.insert(Capability::principals);
        }
        return able;
    }
    Result<void> accepts(const JobSpec& spec) const override;
    void poll() override;
    int wake_fd() const override { return context_.wake.get(); }
    Result<std::vector<Node>> nodes() override;
    void hold(std::string_view node, std::string_view reason, Then<void> then) override {
        then(write_hold(node, reason));
    }
    void release(std::string_view node, Then<void> then) override { then(remove_hold(node)); }
    void outlook(const JobSpec& spec, Then<Outlook> then) override;
    void check(Then<std::vector<CheckLine>> then) override;

  protected:
    std::unique_ptr<BookedJob> book(KeptJob job) override {
        return std::make_unique<LocalJob>(std::move(job), context_);
    }
    std::vector<std::string> launcher(const JobSpec& spec) const override {
        const auto count = spec.shape.tasks_per_node;
        return count > 1 ? tasks_launcher(context_.agent.string(), count, spec.stop_grace)
                         : std::vector<std::string>();
    }

    Result<std::optional<core::Identity>> owner_for(const JobSpec& spec) const override {
        return context_.principals.owner_for(spec, name());
    }
    // Who is not on the list any more keeps what runs, and cannot start anything.
    Result<std::optional<core::Identity>> owner_of(const Path& directory) const override {
        return context_.principals.owner_of(directory);
    }

  private:
    bool may_become_others() const { return ::geteuid() == 0 && !context_.principals.empty(); }
    Result<void> check_principal(const JobSpec& spec) const;
    Result<void> put_jobs_in_place() const;
    CheckLine line_of(const Principal& who) const;
    Path hold_file() const { return options_.jobs / ".hold.json"; }
    Result<void> check_node(std::string_view node) const;
    Result<void> write_hold(std::string_view node, std::string_view reason);
    Result<void> remove_hold(std::string_view node);
    CheckLine memory_line() const;

    LocalContext context_;
    Path place_;  // of the jobs, where the site says it
    std::string gpu_type_;
    std::optional<core::Error> no_cgroup_;
};

Result<std::optional<std::string>> read_hold(const Path& path) {
    const auto text = TRY(core::read_file_if_any(path, k_hold_bytes_max));
    if (!text) {
        return std::optional<std::string>();
    }
    const auto document = nlohmann::json::parse(*text, nullptr, false);
    // A hold that cannot be read is still a hold: a node is given back by release alone.
    return std::optional(document.is_object() ? document.value("reason", "") : "");
}

Result<void> Local::find(const Path& cgroup) {
    TRY(put_jobs_in_place());
    options_.jobs_mode = place_.empty() ? 0700 : k_passage_mode;
    context_.claims_of_others = options_.jobs / ".shares";  // no token starts with a dot
    context_.hold_reason = TRY(read_hold(hold_file()));
    context_.wake = core::Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!context_.wake) {
        return core::fail_errno("open an epoll", errno);
    }
    if (auto opened = open_cgroups(cgroup)) {
        context_.cgroup = std::move(*opened);
    } else {
        no_cgroup_ = std::move(opened).error();
    }
    context_.opening = true;
    auto found = open();
    context_.opening = false;
    return found;
}

// --- Jobs ------------------------------------------------------------------------------------

tl::unexpected<core::Error> too_much(std::string_view field, const std::string& there) {
    return fail(Fault::invalid, "this machine has " + there, {.where = std::string(field)});
}

bool is_of_type(std::string model, std::string type) {
    for (auto* text : {&model, &type}) {
        std::transform(text->begin(), text->end(), text->begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    }
    return model.find(type) != std::string::npos;
}

// What would wait for ever is refused at once.
Result<void> Local::accepts(const JobSpec& spec) const {
    TRY(check_principal(spec));
    TRY(check_capabilities(spec, *this));
    const auto node = this_node();
    const auto need = amount_of(spec.shape);
    const auto total = context_.shares.total();
    if (need.cores > total.cores) {
        return too_much("cpus_per_task", fmt::format("{} cores", total.cores));
    }
    if (need.memory_bytes > total.memory_bytes) {
        return too_much("memory", core::format_size(total.memory_bytes) + " of memory");
    }
    if (need.gpus > total.gpus) {
        return too_much("gpus", fmt::format("{} GPUs", total.gpus));
    }
    if (need.gpus > 0 && !is_of_type(gpu_type_, spec.shape.gpus.type)) {
        return too_much("gpus.type", gpu_type_.empty() ? "GPUs of a type that nobody said"
                                                       : "GPUs of type " + gpu_type_);
    }
    const auto& excluded = spec.exclude_nodes;
    if (std::find(excluded.begin(), excluded.end(), node.name) != excluded.end()) {
        return fail(Fault::invalid, "excludes the only node, " + node.name,
                    {.where = "exclude_nodes"});
    }
    return {};
}

void Local::poll() {
    std::array<epoll_event, 64> events{};
    while (::epoll_wait(context_.wake.get(), events.data(), events.size(), 0) ==
           static_cast<int>(events.size())) {
    }
    reap_wrappers(context_);
    Book::poll();
}

void Local::outlook(const JobSpec& spec, Then<Outlook> then) {
    if (auto fits = accepts(spec); !fits) {
        return then(tl::unexpected(std::move(fits).error()));
    }
    Outlook outlook{.where = host_name()};
    if (context_.hold_reason) {
        outlook.why = "the node is held: " + *context_.hold_reason;
    } else if (auto obstacle =
                   context_.shares.obstacle({.token = spec.token,
                                             .need = amount_of(spec.shape),
                                             .priority = spec.priority,
                                             .order = std::numeric_limits<std::int64_t>::max(),
                                             .longest = spec.time_limit},
                                            clock_.monotonic())) {
        outlook.why = std::move(*obstacle);
    } else {
        outlook.start = clock_.wall();
        outlook.why = "what it asks for is free";
    }
    then(std::move(outlook));
}

void Local::check(Then<std::vector<CheckLine>> then) {
    using Outcome = CheckLine::Outcome;
    std::vector<CheckLine> lines;
    const bool agent = core::path_exists(context_.agent);
    lines.push_back({.what = "wrapper",
                     .outcome = agent ? Outcome::good : Outcome::bad,
                     .detail = context_.agent.string(),
                     .hint = agent ? "" : "install sust-agent beside sustd"});
    const auto free = core::free_bytes(options_.jobs);
    lines.push_back({.what = "job directory",
                     .outcome = free ? Outcome::good : Outcome::bad,
                     .detail = fmt::format("{}, {} free", options_.jobs.string(),
                                           free ? core::format_size(*free) : "?"),
                     .hint = free ? "" : "is its file system there?"});
    lines.push_back(memory_line());
    for (const auto& who : context_.principals.all()) {
        lines.push_back(line_of(who));
    }
    const auto total = context_.shares.total();
    lines.push_back({.what = "shares",
                     .outcome = Outcome::good,
                     .detail = fmt::format("{} cores, {} of memory, {} GPUs{}", total.cores,
                                           core::format_size(total.memory_bytes), total.gpus,
                                           gpu_type_.empty() ? "" : " (" + gpu_type_ + ")")});
    lines.push_back(
        {.what = "node",
         .outcome = context_.hold_reason ? Outcome::warning : Outcome::good,
         .detail = context_.hold_reason ? "held: " + *context_.hold_reason : "takes jobs",
         .hint = context_.hold_reason ? "sust node release " + host_name() : ""});
    then(std::move(lines));
}

// --- Principals ------------------------------------------------------------------------------

Result<void> Local::check_principal(const JobSpec& spec) const {
    if (spec.principal.empty() || may_become_others()) {
        TRY(owner_for(spec));
        return {};
    }
    return fail(
        Fault::invalid,
        "local has no principals here: its jobs run as the user of sustd, " +
            std::string(::geteuid() == 0 ? "root" : "who is not root"),
        {.where = "principal",
         .hint = ::geteuid() == 0 ? "say who may, in backends.toml: [local] principals = [...]"
                                  : "leave it out, or let root run sustd with [local] principals"});
}

// The data directory is closed to everybody else, so jobs of principals are elsewhere and a link
// leads there; all that knows of jobs knows only the link.
Result<void> Local::put_jobs_in_place() const {
    if (place_.empty()) {
        return {};
    }
    std::error_code trouble;
    if (core::path_exists(options_.jobs) &&
        !std::filesystem::equivalent(place_, options_.jobs, trouble)) {
        return fail(Fault::conflict, "the jobs are not at the place that backends.toml says",
                    {.where = options_.jobs.string(),
                     .hint = fmt::format("while no job runs: mv {0} {1} && ln -s {1} {0}",
                                         options_.jobs.string(), place_.string())});
    }
    TRY(core::make_directories(place_, k_passage_mode));
    if (!core::path_exists(options_.jobs)) {
        TRY(core::make_directories(options_.jobs.parent_path(), 0700));
        std::filesystem::create_directory_symlink(place_, options_.jobs, trouble);
    }
    return trouble ? core::fail_errno("make the link " + options_.jobs.string(), trouble.value())
                   : Result<void>();
}

CheckLine Local::line_of(const Principal& who) const {
    using Outcome = CheckLine::Outcome;
    CheckLine line{.what = "principal " + who.identity.name,
                   .outcome = Outcome::bad,
                   .detail = fmt::format("uid {}, gid {}, {} groups", who.identity.uid,
                                         who.identity.gid, who.identity.groups.size())};
    const auto acting = core::ActAs::begin(who.identity);
    struct stat info {};
    if (!acting) {
        line.hint = "only root runs jobs as others: let root run sustd, or take `principals` out";
    } else if (::stat((options_.jobs / ".").c_str(), &info) != 0) {
        line.hint = fmt::format("may not enter {}: every folder above it needs o+x",
                                options_.jobs.string());
    } else if (::faccessat(AT_FDCWD, context_.agent.c_str(), X_OK, AT_EACCESS) != 0) {
        line.hint = fmt::format("may not execute {}: it needs o+rx, and every folder above it o+x",
                                context_.agent.string());
    } else {
        line.outcome = Outcome::good;
    }
    return line;
}

CheckLine Local::memory_line() const {
    using Outcome = CheckLine::Outcome;
    if (!no_cgroup_) {
        return {.what = "limits of memory",
                .outcome = Outcome::good,
                .detail = "of the whole job, by control groups in " + context_.cgroup.string()};
    }
    return {.what = "limits of memory",
            .outcome = Outcome::warning,
            .detail =
                "of each process by itself (RLIMIT_DATA), and an end for want of memory "
                "counts as failed: " +
                core::to_string(*no_cgroup_),
            .hint =
                "delegate a group of cgroup v2 to this user, and name it in backends.toml: "
                "[local] cgroup = \"/sys/fs/cgroup/...\""};
}

// --- The one node ----------------------------------------------------------------------------

Result<std::vector<Node>> Local::nodes() {
    Node node = this_node();
    node.gpus = {.count = context_.shares.total().gpus, .type = gpu_type_};
    node.held = context_.hold_reason.has_value();
    node.hold_reason = context_.hold_reason.value_or("");
    node.observed = clock_.wall();
    const bool busy = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& entry) {
        const auto state = entry.second->status().state;
        return state == State::starting || state == State::running || state == State::stopping;
    });
    node.state = node.held ? (busy ? NodeState::draining : NodeState::drained)
                           : (busy ? NodeState::busy : NodeState::idle);
    return std::vector<Node>{node};
}

Result<void> Local::check_node(std::string_view node) const {
    if (node != host_name()) {
        return fail(Fault::not_found, "no node '" + core::printable(node) + "'",
                    {.hint = "the local back end has one: " + host_name()});
    }
    return {};
}

Result<void> Local::write_hold(std::string_view node, std::string_view reason) {
    TRY(check_node(node));
    const std::string said = core::printable(reason, k_hold_bytes_max / 8);
    const nlohmann::json document = {{"format", 1}, {"reason", said}};
    TRY(core::write_file(hold_file(), document.dump() + "\n"));
    context_.hold_reason = said;
    return {};
}

Result<void> Local::remove_hold(std::string_view node) {
    TRY(check_node(node));
    std::error_code trouble;
    std::filesystem::remove(hold_file(), trouble);
    if (trouble) {
        return core::fail_errno("remove " + hold_file().string(), trouble.value());
    }
    context_.hold_reason.reset();
    return core::sync_directory(options_.jobs);
}

}  // namespace

Result<std::unique_ptr<Scheduler>> open_local(LocalOptions options, const core::Clock& clock,
                                              core::Log log) {
    const auto cgroup = options.settings.cgroup;
    auto local =
        std::make_unique<Local>(std::move(options), clock, std::move(log), TRY(core::boot_id()));
    TRY(local->find(cgroup));
    return std::unique_ptr<Scheduler>(std::move(local));
}

}  // namespace sust::cluster
