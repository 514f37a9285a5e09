#include "cluster/local.h"

#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cluster/job_log.h"
#include "cluster/local_job.h"
#include "cluster/machine.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_hold_bytes_max = 16 << 10;
constexpr std::string_view k_forgotten = ".forgotten-";  // no token starts with a dot

class Local final : public Scheduler {
  public:
    Local(LocalContext context, core::FileLock lock)
        : context_(std::move(context)), lock_(std::move(lock)) {}

    Result<void> find_jobs();

    std::string_view name() const override { return "local"; }
    std::set<Capability> capabilities() const override {
        return {Capability::time_limits, Capability::requeue, Capability::hold_nodes};
    }
    Result<void> submit(const JobSpec& spec) override;
    Result<std::int64_t> resubmit(const Token& token) override;
    Result<void> cancel(const Token& token) override;
    Result<std::optional<JobStatus>> describe(const Token& token) override;
    Result<std::vector<JobStatus>> list() override;
    void watch(std::function<void(const JobStatus&)> on_change) override {
        on_change_ = std::move(on_change);
    }
    void poll() override;
    Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                          std::size_t max_bytes) override;
    Result<void> forget(const Token& token) override;
    Path job_directory(const Token& token) const override {
        return context_.options.jobs / token.value;
    }
    Result<std::vector<Node>> nodes() override;
    Result<void> hold(std::string_view node, std::string_view reason) override;
    Result<void> release(std::string_view node) override;

  private:
    Path hold_file() const { return context_.options.jobs / ".hold.json"; }
    Result<LocalJob*> find(const Token& token);
    Result<void> check_node(std::string_view node) const;
    void look(LocalJob& job);
    std::size_t count_live() const;

    LocalContext context_;
    core::FileLock lock_;
    std::map<Token, LocalJob> jobs_;
    std::vector<JobStatus> changes_;
    std::function<void(const JobStatus&)> on_change_;
};

// --- Opening ---------------------------------------------------------------------------------

Result<std::optional<std::string>> read_hold(const Path& path) {
    const auto text = TRY(core::read_file_if_any(path, k_hold_bytes_max));
    if (!text) {
        return std::optional<std::string>();
    }
    const auto document = nlohmann::json::parse(*text, nullptr, false);
    // A hold that cannot be read is still a hold: a node is given back by release alone.
    return std::optional(document.is_object() ? document.value("reason", "") : "");
}

Result<std::vector<Path>> subdirectories(const Path& path) {
    std::vector<Path> found;
    std::error_code trouble;
    std::filesystem::directory_iterator entry(path, trouble);
    for (; !trouble && entry != std::filesystem::directory_iterator(); entry.increment(trouble)) {
        std::error_code ignored;
        if (entry->is_directory(ignored)) {
            found.push_back(entry->path());
        }
    }
    if (trouble) {
        return core::fail_errno("list " + path.string(), trouble.value());
    }
    return found;
}

Result<void> Local::find_jobs() {
    context_.hold_reason = TRY(read_hold(hold_file()));
    for (const auto& directory : TRY(subdirectories(context_.options.jobs))) {
        const auto name = directory.filename().string();
        if (name.starts_with(k_forgotten)) {
            TRY(core::remove_tree(directory));
        } else if (!core::check_name("job token", name)) {
            continue;
        } else if (!core::path_exists(JobFiles{directory}.job())) {
            TRY(core::remove_tree(directory));  // a submission that was cut off; nothing started
        } else {
            auto& job = jobs_.emplace(Token{name}, LocalJob::find(directory)).first->second;
            job.look(context_);
        }
    }
    return {};
}

// --- Verbs -----------------------------------------------------------------------------------

Result<LocalJob*> Local::find(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return fail(Fault::not_found, "no job '" + core::printable(token.value) + "'");
    }
    return &found->second;
}

void Local::look(LocalJob& job) {
    if (job.look(context_)) {
        changes_.push_back(job.status());
    }
}

std::size_t Local::count_live() const {
    std::size_t count = 0;
    for (const auto& [token, job] : jobs_) {
        count += is_final(job.status().state) ? 0 : 1;
    }
    return count;
}

Result<void> Local::submit(const JobSpec& spec) {
    TRY(check_spec(spec));
    if (const auto known = jobs_.find(spec.token); known != jobs_.end()) {
        return known->second.is_for(spec)
                   ? Result<void>()
                   : fail(Fault::conflict,
                          fmt::format("job '{}' exists with another specification",
                                      spec.token.value),
                          {.hint = "one token is one job: choose a new token"});
    }
    if (count_live() >= context_.options.max_live_jobs) {
        return fail(Fault::exhausted,
                    fmt::format("{} jobs are pending or running, which is the limit",
                                context_.options.max_live_jobs),
                    {.hint = "wait for one to end, or cancel one"});
    }
    auto job = TRY(LocalJob::create(spec, context_));
    look(jobs_.emplace(spec.token, std::move(job)).first->second);
    return {};
}

Result<std::int64_t> Local::resubmit(const Token& token) {
    auto* job = TRY(find(token));
    const auto epoch = TRY(job->resubmit(context_));
    look(*job);
    return epoch;
}

Result<void> Local::cancel(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return {};
    }
    TRY(found->second.cancel(context_));
    look(found->second);
    return {};
}

Result<std::optional<JobStatus>> Local::describe(const Token& token) {
    const auto found = jobs_.find(token);
    return found == jobs_.end() ? std::optional<JobStatus>() : found->second.status();
}

Result<std::vector<JobStatus>> Local::list() {
    std::vector<JobStatus> all;
    for (const auto& [token, job] : jobs_) {
        all.push_back(job.status());
    }
    return all;
}

void Local::poll() {
    reap_wrappers(context_);
    for (auto& [token, job] : jobs_) {
        look(job);
    }
    // A callback may call any verb, and so add changes or remove jobs.
    for (const auto& change : std::exchange(changes_, {})) {
        if (on_change_) {
            on_change_(change);
        }
    }
}

Result<LogChunk> Local::logs(const Token& token, Stream stream, std::uint64_t offset,
                             std::size_t max_bytes) {
    const auto* job = TRY(find(token));
    const bool ended = is_final(job->status().state);
    const auto& files = job->files();
    auto chunk =
        TRY(read_job_log(stream == Stream::out ? files.out() : files.err(), offset, max_bytes));
    chunk.complete = ended && chunk.bytes.empty();
    return chunk;
}

// Renamed first, so that a controller killed in the middle leaves no half of a job.
Result<void> Local::forget(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return {};
    }
    const auto& status = found->second.status();
    const bool over =
        is_final(status.state) || (status.state == State::unknown && found->second.is_idle());
    if (!over) {
        return fail(Fault::conflict,
                    fmt::format("job '{}' is {}", token.value, to_string(status.state)),
                    {.hint = "cancel it first"});
    }
    const auto from = job_directory(token);
    const auto to = context_.options.jobs / (std::string(k_forgotten) + token.value);
    TRY(core::remove_tree(to));
    std::error_code trouble;
    std::filesystem::rename(from, to, trouble);
    if (trouble && trouble != std::errc::no_such_file_or_directory) {
        return core::fail_errno("forget " + from.string(), trouble.value());
    }
    jobs_.erase(found);
    return core::remove_tree(to);
}

// --- The one node ----------------------------------------------------------------------------

Result<std::vector<Node>> Local::nodes() {
    Node node = this_node();
    node.held = context_.hold_reason.has_value();
    node.hold_reason = context_.hold_reason.value_or("");
    return std::vector<Node>{node};
}

Result<void> Local::check_node(std::string_view node) const {
    if (node != host_name()) {
        return fail(Fault::not_found, "no node '" + core::printable(node) + "'",
                    {.hint = "the local back end has one: " + host_name()});
    }
    return {};
}

Result<void> Local::hold(std::string_view node, std::string_view reason) {
    TRY(check_node(node));
    const std::string said = core::printable(reason, k_hold_bytes_max / 8);
    const nlohmann::json document = {{"format", 1}, {"reason", said}};
    TRY(core::write_file(hold_file(), document.dump() + "\n"));
    context_.hold_reason = said;
    return {};
}

Result<void> Local::release(std::string_view node) {
    TRY(check_node(node));
    std::error_code trouble;
    std::filesystem::remove(hold_file(), trouble);
    if (trouble) {
        return core::fail_errno("remove " + hold_file().string(), trouble.value());
    }
    context_.hold_reason.reset();
    return core::sync_directory(context_.options.jobs);
}

}  // namespace

Result<std::unique_ptr<Scheduler>> open_local(LocalOptions options, const core::Clock& clock,
                                              core::Log log) {
    TRY(core::make_directories(options.jobs, 0700));
    std::error_code trouble;
    options.jobs = std::filesystem::canonical(options.jobs, trouble);
    if (trouble) {
        return core::fail_errno("find the directory of jobs", trouble.value());
    }
    auto lock =
        core::FileLock::acquire(options.jobs / ".lock", core::Deadline(clock, options.lock_wait));
    if (!lock && lock.error().fault == Fault::timeout) {
        return fail(Fault::conflict, "another controller has these jobs open",
                    {.where = options.jobs.string(), .hint = "is another sustd running?"});
    }
    auto local = std::make_unique<Local>(LocalContext{.options = std::move(options),
                                                      .clock = clock,
                                                      .log = std::move(log),
                                                      .boot_id = TRY(core::boot_id())},
                                         TRY(std::move(lock)));
    TRY(local->find_jobs());
    return std::unique_ptr<Scheduler>(std::move(local));
}

}  // namespace sust::cluster
