#include "cluster/book.h"

#include <filesystem>

#include <fmt/format.h>

#include "cluster/job_log.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr std::string_view k_forgotten = ".forgotten-";  // no token starts with a dot

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

}  // namespace

// --- Opening ---------------------------------------------------------------------------------

Result<void> Book::open() {
    TRY(core::make_directories(options_.jobs, 0700));
    std::error_code trouble;
    options_.jobs = std::filesystem::canonical(options_.jobs, trouble);
    if (trouble) {
        return core::fail_errno("find the directory of jobs", trouble.value());
    }
    auto lock = core::FileLock::acquire(options_.jobs / ".lock",
                                        core::Deadline(clock_, options_.lock_wait));
    if (!lock && lock.error().fault == Fault::timeout) {
        return fail(Fault::conflict, "another controller has these jobs open",
                    {.where = options_.jobs.string(), .hint = "is another sustd running?"});
    }
    lock_.emplace(TRY(std::move(lock)));
    return find_jobs();
}

Result<void> Book::find_jobs() {
    for (const auto& directory : TRY(subdirectories(options_.jobs))) {
        const auto name = directory.filename().string();
        if (name.starts_with(k_forgotten)) {
            TRY(core::remove_tree(directory));
        } else if (!core::check_name("job token", name)) {
            continue;
        } else if (!core::path_exists(JobFiles{directory}.job())) {
            TRY(core::remove_tree(directory));  // a submission that was cut off; nothing started
        } else {
            auto job = book(KeptJob::find(directory));
            look_as_its_owner(*job);
            jobs_.emplace(Token{name}, std::move(job));
        }
    }
    return {};
}

// --- Verbs -----------------------------------------------------------------------------------

Result<BookedJob*> Book::find(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return fail(Fault::not_found, "no job '" + core::printable(token.value) + "'");
    }
    return found->second.get();
}

// Who may not act as the owner sees nothing.
bool Book::look_as_its_owner(BookedJob& job) {
    const auto acting = core::ActAs::begin(identity_of(job.status().token));
    if (!acting) {
        log_.error("a job cannot be looked at: " + job.status().token.value, acting.error());
        return false;
    }
    return job.look();
}

void Book::look(BookedJob& job) {
    if (!is_final(job.status().state) && look_as_its_owner(job)) {
        changes_.push_back(job.status());
    }
}

std::size_t Book::count_live() const {
    std::size_t count = 0;
    for (const auto& [token, job] : jobs_) {
        count += is_final(job->status().state) ? 0 : 1;
    }
    return count;
}

Result<void> Book::submit(const JobSpec& spec) {
    TRY(check_spec(spec));
    if (const auto known = jobs_.find(spec.token); known != jobs_.end()) {
        return known->second->kept().is_for(spec)
                   ? Result<void>()
                   : fail(Fault::conflict,
                          fmt::format("job '{}' exists with another specification",
                                      spec.token.value),
                          {.hint = "one token is one job: choose a new token"});
    }
    TRY(accepts(spec));
    if (count_live() >= options_.max_live_jobs) {
        return fail(
            Fault::exhausted,
            fmt::format("{} jobs have not ended, which is the limit", options_.max_live_jobs),
            {.hint = "wait for one to end, or cancel one"});
    }
    auto job = book(TRY(create(spec)));
    look(*jobs_.emplace(spec.token, std::move(job)).first->second);
    return {};
}

Result<KeptJob> Book::create(const JobSpec& spec) {
    const JobWord word{.spec = spec, .log_bytes = options_.log_bytes, .launcher = launcher(spec)};
    auto made = [&]() -> Result<KeptJob> {
        TRY(make_place(spec));
        const auto acting = TRY(core::ActAs::begin(identity_of(spec.token)));
        return KeptJob::create(options_.jobs, word, clock_);
    }();
    if (made) {
        if (auto synced = core::sync_directory(options_.jobs); !synced) {
            made = tl::unexpected(std::move(synced).error());
        }
    }
    if (!made) {
        (void)core::remove_tree(options_.jobs / spec.token.value);  // else the next controller does
    }
    return made;
}

Result<std::int64_t> Book::resubmit(const Token& token, const Orders& orders) {
    auto* job = TRY(find(token));
    const auto epoch = TRY([&]() -> Result<std::int64_t> {
        const auto acting = TRY(core::ActAs::begin(identity_of(token)));
        return job->resubmit(orders);
    }());
    look(*job);
    return epoch;
}

Result<void> Book::cancel(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return {};
    }
    auto& job = *found->second;
    if (is_final(job.status().state) || !job.kept().has_epoch()) {
        return {};
    }
    {
        const auto acting = TRY(core::ActAs::begin(identity_of(token)));
        TRY(job.kept().mark_cancelled());
        TRY(job.stop());
    }
    look(job);
    return {};
}

Result<std::optional<JobStatus>> Book::describe(const Token& token) {
    const auto found = jobs_.find(token);
    return found == jobs_.end() ? std::optional<JobStatus>() : found->second->status();
}

Result<std::vector<JobStatus>> Book::list() {
    std::vector<JobStatus> all;
    for (const auto& [token, job] : jobs_) {
        all.push_back(job->status());
    }
    return all;
}

void Book::poll() {
    for (auto& [token, job] : jobs_) {
        look(*job);
    }
    // A callback may call any verb, and so add changes or remove jobs.
    for (const auto& change : std::exchange(changes_, {})) {
        if (on_change_) {
            on_change_(change);
        }
    }
}

Result<LogChunk> Book::logs(const Token& token, Stream stream, std::uint64_t offset,
                            std::size_t max_bytes) {
    const auto* job = TRY(find(token));
    const bool ended = is_final(job->status().state);
    const auto& files = job->kept().files();
    const auto acting = TRY(core::ActAs::begin(identity_of(token)));
    auto chunk =
        TRY(read_job_log(stream == Stream::out ? files.out() : files.err(), offset, max_bytes));
    chunk.complete = ended && chunk.bytes.empty();
    return chunk;
}

bool Book::may_forget(const BookedJob& job) const {
    const auto state = job.status().state;
    return is_final(state) || (state == State::unknown && job.kept().is_idle());
}

// Renamed first, so that a controller killed in the middle leaves no half of a job.
Result<void> Book::forget(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return {};
    }
    const bool may = [&] {
        const auto acting = core::ActAs::begin(identity_of(token));
        return acting && may_forget(*found->second);
    }();
    if (!may) {
        return fail(
            Fault::conflict,
            fmt::format("job '{}' is {}", token.value, to_string(found->second->status().state)),
            {.hint = "cancel it first"});
    }
    const auto from = options_.jobs / token.value;
    const auto to = options_.jobs / (std::string(k_forgotten) + token.value);
    TRY(core::remove_tree(to));
    std::error_code trouble;
    std::filesystem::rename(from, to, trouble);
    if (trouble && trouble != std::errc::no_such_file_or_directory) {
        return core::fail_errno("forget " + from.string(), trouble.value());
    }
    jobs_.erase(found);
    return core::remove_tree(to);
}

}  // namespace sust::cluster
