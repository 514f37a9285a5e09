#include "cluster/book.h"

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/job_log.h"
#include "core/sync.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr Duration k_fence_wait = std::chrono::seconds(2);  // a commit under it takes milliseconds
// Fewer are synced file by file, which does not wait for what others wrote.
constexpr std::size_t k_together_min = 3;
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

// Another user may hold the fence for as long as they like, and the loop is everybody's.
Result<std::int64_t> BookedJob::begin_another(const Orders& orders, const core::Clock& clock) {
    return kept_.resubmit(orders, clock, owner_ ? Duration::zero() : k_fence_wait);
}

// --- Opening ---------------------------------------------------------------------------------

Result<void> Book::open() {
    TRY(make_folder());
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

// Whose folder it is could put a directory in another's place.
Result<void> Book::make_folder() const {
    TRY(core::make_directories(options_.jobs, options_.jobs_mode));
    if (options_.jobs_mode == 0700) {
        return {};
    }
    struct stat info {};
    if (::stat(options_.jobs.c_str(), &info) != 0) {
        return core::fail_errno("look at " + options_.jobs.string(), errno);
    }
    if (info.st_uid != ::geteuid()) {
        return fail(Fault::denied,
                    fmt::format("the folder of jobs belongs to user {}", info.st_uid),
                    {.where = options_.jobs.string(),
                     .hint = "where jobs of several users are, it is to be root's, as are the "
                             "folders above it"});
    }
    if (::chmod(options_.jobs.c_str(), options_.jobs_mode) != 0) {
        return core::fail_errno("open " + options_.jobs.string() + " to others", errno);
    }
    return {};
}

Result<void> Book::find_jobs() {
    for (const auto& directory : TRY(subdirectories(options_.jobs))) {
        const auto name = directory.filename().string();
        if (!name.starts_with(k_forgotten) && !core::check_name("job token", name)) {
            continue;
        }
        if (auto found = find_job(directory); !found) {
            // What is another user's may be as they like, and keeps nobody else's jobs from us.
            const auto owner = owner_of(directory);
            if (owner && !*owner && found.error().fault != Fault::denied) {
                return found;
            }
            log_.warn("a directory of a job is left alone",
                      {{"path", directory.string()}, {"error", core::to_string(found.error())}});
        }
    }
    return {};
}

Result<void> Book::find_job(const Path& directory) {
    const auto name = directory.filename().string();
    auto job = book(KeptJob::find(directory));
    job->set_owner(TRY(owner_of(directory)));
    {
        const auto acting = TRY(job->act());
        // Without it, it is a submission that was cut off; nothing started.
        if (!name.starts_with(k_forgotten) && core::path_exists(JobFiles{directory}.job())) {
            job->look();
            jobs_.emplace(Token{name}, std::move(job));
            return {};
        }
    }
    return remove(directory);
}

// Where it is somebody else's, what is in it is removed as they would.
Result<void> Book::remove(const Path& directory) const {
    if (const auto owner = TRY(owner_of(directory))) {
        const auto acting = TRY(core::ActAs::begin(owner));
        std::error_code trouble;
        for (const auto& entry : std::filesystem::directory_iterator(directory, trouble)) {
            (void)core::remove_tree(entry.path());  // a folder that they may not write stays to us
        }
        if (trouble) {
            return core::fail_errno("list " + directory.string(), trouble.value());
        }
    }
    return core::remove_tree(directory);
}

// --- Submitting ------------------------------------------------------------------------------

void Book::look(BookedJob& job) {
    if (is_final(job.status().state)) {
        return;
    }
    const auto acting = job.act();
    if (!acting) {
        log_.error("a job cannot be looked at: " + job.status().token.value, acting.error());
    } else if (job.look()) {
        changes_.push_back(job.status());
    }
}

std::size_t Book::count_live() const {
    std::size_t count = drafts_.size();
    for (const auto& [token, job] : jobs_) {
        count += is_final(job->status().state) ? 0 : 1;
    }
    return count;
}

Result<std::optional<Book::Draft>> Book::draft(const JobSpec& spec, std::size_t live) const {
    TRY(check_spec(spec));
    if (const auto known = jobs_.find(spec.token); known != jobs_.end()) {
        return known->second->kept().is_for(spec)
                   ? Result<std::optional<Draft>>(std::nullopt)
                   : fail(Fault::conflict,
                          fmt::format("job '{}' exists with another specification",
                                      spec.token.value),
                          {.hint = "one token is one job: choose a new token"});
    }
    if (drafts_.contains(spec.token)) {
        return fail(Fault::unavailable, fmt::format("job '{}' is being written", spec.token.value),
                    {.hint = "try again in a moment"});
    }
    TRY(accepts(spec));
    if (live >= options_.max_live_jobs) {
        return fail(
            Fault::exhausted,
            fmt::format("{} jobs have not ended, which is the limit", options_.max_live_jobs),
            {.hint = "wait for one to end, or cancel one"});
    }
    return Draft{
        .word = {.spec = spec, .log_bytes = options_.log_bytes, .launcher = launcher(spec)}};
}

Result<void> Book::submit(const JobSpec& spec) {
    auto wanted = TRY(draft(spec, count_live()));
    if (!wanted) {
        return {};
    }
    Drafts one;
    one.push_back(std::move(*wanted));
    write(one);
    return take(std::move(one.front()));
}

void Book::submit_all(std::vector<JobSpec> specs,
                      std::function<void(std::vector<Result<void>>)> then) {
    auto* threads = writers();
    if (threads == nullptr) {
        return Scheduler::submit_all(std::move(specs), std::move(then));
    }
    const auto drafts = std::make_shared<Drafts>();
    const auto taken = std::make_shared<std::vector<Result<void>>>();
    std::vector<std::size_t> places;  // of the drafts in `taken`
    auto live = count_live();
    for (const auto& spec : specs) {
        auto wanted = draft(spec, live);
        if (wanted && *wanted) {
            ++live;
            places.push_back(taken->size());
            drafts->push_back(std::move(**wanted));
            drafts_.insert(spec.token);
        }
        taken->push_back(wanted ? Result<void>()
                                : tl::unexpected<core::Error>(std::move(wanted).error()));
    }
    const auto take_all = [this, drafts, taken, places, then] {
        for (std::size_t i = 0; i < places.size(); ++i) {
            drafts_.erase((*drafts)[i].word.spec.token);
            (*taken)[places[i]] = take(std::move((*drafts)[i]));
        }
        then(std::move(*taken));
    };
    if (auto posted = threads->post([this, drafts] { write(*drafts); }, take_all); !posted) {
        for (auto& one : *drafts) {
            one.made = tl::unexpected<core::Error>(posted.error());
        }
        take_all();
    }
}

void Book::write(Drafts& drafts) const {
    const bool together = drafts.size() >= k_together_min && core::syncs_as_a_whole(options_.jobs);
    const auto each = [&](const auto& step) {
        for (auto& draft : drafts) {
            if (auto done = step(draft); !done) {
                draft.made = tl::unexpected<core::Error>(std::move(done).error());
            }
        }
    };
    each([&](Draft& draft) -> Result<void> {
        draft.place = TRY(make_place(draft.word.spec));
        const auto acting = TRY(core::ActAs::begin(draft.place->owner));
        draft.made = together ? KeptJob::draft(options_.jobs, draft.word)
                              : KeptJob::create(options_.jobs, draft.word, clock_);
        return {};
    });
    const auto synced = [&] {
        return together ? core::sync_file_system(options_.jobs)
                        : core::sync_directory(options_.jobs);
    };
    auto first = synced();
    if (together && first) {
        each([&](Draft& draft) -> Result<void> {
            if (!draft.made) {
                return {};
            }
            const auto acting = TRY(core::ActAs::begin(draft.place->owner));
            return draft.made->establish(clock_);
        });
        first = synced();
    }
    for (auto& draft : drafts) {
        if (draft.made && !first) {
            draft.made = tl::unexpected<core::Error>(first.error());
        }
        if (!draft.made && draft.place) {
            (void)remove(draft.place->directory);  // else the next controller does
        }
    }
}

Result<void> Book::take(Draft draft) {
    if (!draft.made) {
        return tl::unexpected<core::Error>(std::move(draft.made).error());
    }
    const auto token = draft.word.spec.token;
    auto job = book(std::move(*draft.made));
    job->set_owner(draft.place->owner);
    look(*jobs_.emplace(token, std::move(job)).first->second);
    return {};
}

// The name is taken in our own directory, where nobody else makes any; what is in it is theirs.
Result<JobPlace> Book::make_place(const JobSpec& spec) const {
    JobPlace place{.directory = options_.jobs / spec.token.value, .owner = {}};
    place.owner = TRY(owner_for(spec));
    if (!place.owner) {
        TRY(core::make_directories(place.directory, 0700));
        return place;
    }
    struct stat info {};
    if (::lstat(place.directory.c_str(), &info) == 0 && info.st_uid == place.owner->uid) {
        return place;
    }
    if ((::mkdir(place.directory.c_str(), 0700) != 0 && errno != EEXIST) ||
        ::lchown(place.directory.c_str(), place.owner->uid, place.owner->gid) != 0) {
        return core::fail_errno(
            fmt::format("give {} to {}", place.directory.string(), place.owner->name), errno);
    }
    return place;
}

// --- Verbs -----------------------------------------------------------------------------------

Result<BookedJob*> Book::find(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return fail(Fault::not_found, "no job '" + core::printable(token.value) + "'");
    }
    return found->second.get();
}

Result<JobPlace> Book::prepare(const JobSpec& spec) {
    return make_place(spec);
}

Result<std::int64_t> Book::resubmit(const Token& token, const Orders& orders) {
    auto* job = TRY(find(token));
    const auto epoch = [&]() -> Result<std::int64_t> {
        const auto acting = TRY(job->act());
        return job->resubmit(orders);
    }();
    if (!epoch) {
        return epoch;
    }
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
    TRY([&]() -> Result<void> {
        const auto acting = TRY(job.act());
        TRY(job.kept().mark_cancelled());
        return job.stop();
    }());
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
    tell();
}

void Book::tell() {
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
    const auto acting = TRY(job->act());
    auto chunk =
        TRY(read_job_log(stream == Stream::out ? files.out() : files.err(), offset, max_bytes));
    chunk.complete = ended && chunk.bytes.empty();
    return chunk;
}

bool Book::may_forget(const BookedJob& job) const {
    const auto state = job.status().state;
    return is_final(state) || (state == State::unknown && job.kept().is_idle());
}

// Only what was prepared and never submitted: a directory with a job.json may have a job at work.
Result<void> Book::forget_prepared(const Token& token) {
    TRY(core::check_name("job token", token.value));
    const auto directory = options_.jobs / token.value;
    if (!core::path_exists(directory)) {
        return {};
    }
    const bool is_job = TRY([&]() -> Result<bool> {
        const auto owner = TRY(owner_of(directory));
        const auto acting = TRY(core::ActAs::begin(owner));
        return core::path_exists(JobFiles{directory}.job());
    }());
    return is_job ? Result<void>() : remove(directory);
}

// Renamed first, so that a controller killed in the middle leaves no half of a job.
Result<void> Book::forget(const Token& token) {
    const auto found = jobs_.find(token);
    if (found == jobs_.end()) {
        return forget_prepared(token);
    }
    if (!may_forget(*found->second)) {
        return fail(
            Fault::conflict,
            fmt::format("job '{}' is {}", token.value, to_string(found->second->status().state)),
            {.hint = "cancel it first"});
    }
    const auto from = options_.jobs / token.value;
    const auto to = options_.jobs / (std::string(k_forgotten) + token.value);
    TRY(remove(to));
    std::error_code trouble;
    std::filesystem::rename(from, to, trouble);
    if (trouble && trouble != std::errc::no_such_file_or_directory) {
        return core::fail_errno("forget " + from.string(), trouble.value());
    }
    jobs_.erase(found);
    return remove(to);
}

}  // namespace sust::cluster
