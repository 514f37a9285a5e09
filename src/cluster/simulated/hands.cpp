#include "cluster/simulated/hands.h"

#include <csignal>
#include <map>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include "cluster/processes.h"
#include "cluster/words.h"
#include "cluster/wrapper.h"
#include "core/text.h"

namespace sust::cluster::simulated {

namespace {

using namespace std::chrono_literals;

constexpr Duration k_ending = 10s;  // processes stuck in the kernel hold nothing up
constexpr int k_status_killed = 128 + SIGKILL;

bool is_free(const Path& lock) {
    const auto taken = core::FileLock::try_acquire(lock);
    return taken && taken->has_value();
}

class LocalHands final : public Hands {
  public:
    LocalHands(const core::Clock& clock, core::Log log) : clock_(clock), log_(std::move(log)) {}

    void begin(const Launch& launch) override;
    void stop(Uid job) override { signal(job, SIGTERM); }
    void kill(Uid job) override;
    std::vector<Finished> look() override;
    bool is_busy() const override { return !wrappers_.empty(); }

    void play_begin(const Launch& launch, core::WallTime started) override;
    void play_end(const Launch& launch, const PlayedEnd& end) override;

  private:
    struct Wrapper {
        AttemptFiles files;
        Token token;
        std::int64_t epoch = 0;
        pid_t child = 0;  // of this process, not reaped yet
        core::Fd pidfd{};
        std::optional<core::Deadline> ending{};  // it was killed, and its processes with it
    };

    Result<void> start(const Launch& launch, Wrapper& wrapper);
    std::optional<AttemptWord> attempt_of(const Wrapper& wrapper) const;
    // Nothing while it lives.
    std::optional<Finished> look_at(Uid job, Wrapper& wrapper);
    bool has_ended(Wrapper& wrapper) const;
    bool has_left_nothing(const Wrapper& wrapper) const;
    void signal(Uid job, int number);
    void tell(const Launch& launch, const Result<void>& written) const;

    const core::Clock& clock_;
    core::Log log_;
    std::map<Uid, Wrapper> wrappers_;
};

AttemptFiles files_of(const Launch& launch) {
    return JobFiles{launch.directory}.attempt(launch.epoch);
}

// --- Commands --------------------------------------------------------------------------------

void LocalHands::begin(const Launch& launch) {
    auto& wrapper = wrappers_[launch.job];
    wrapper = {.files = files_of(launch), .token = launch.token, .epoch = launch.epoch};
    if (core::path_exists(wrapper.files.attempt()) || core::path_exists(wrapper.files.exit()) ||
        (core::path_exists(wrapper.files.lock()) && !is_free(wrapper.files.lock()))) {
        return;  // begun by this site before it was restarted
    }
    if (const auto started = start(launch, wrapper); !started) {
        log_.warn("a wrapper cannot be started",
                  {{"job", launch.token.value}, {"error", core::to_string(started.error())}});
    }
}

Result<void> LocalHands::start(const Launch& launch, Wrapper& wrapper) {
    const auto path = wrapper.files.wrapper_log();
    const core::Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log) {
        return core::fail_errno("open " + path.string(), errno);
    }
    // For a launcher of several nodes.
    TRY(core::write_file(wrapper.files.path / "nodes", core::join(launch.nodes, "\n") + "\n",
                         0600));
    auto environment = launch.base;
    environment["SUST_NODE_NAME"] = launch.nodes.front();
    std::vector<std::string> devices;
    for (int bit = 0; bit < 64; ++bit) {
        if ((launch.gpus >> bit & 1) != 0) {
            devices.push_back(std::to_string(bit));
        }
    }
    environment["CUDA_VISIBLE_DEVICES"] = core::join(devices, ",");
    auto child = TRY(core::Child::spawn(
        {.argv = {launch.agent.string(), "job", "--directory", launch.directory.string(), "--epoch",
                  std::to_string(launch.epoch)},
         .environment = environment,
         .workdir = "/",
         .out = log.get(),
         .err = log.get(),
         .new_session = true}));
    wrapper.child = child.pid();
    wrapper.pidfd = core::Fd(::fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 3));
    child.detach();
    return {};
}

std::optional<AttemptWord> LocalHands::attempt_of(const Wrapper& wrapper) const {
    return read_attempt(wrapper.files, wrapper.token, wrapper.epoch)
        .value_or(std::optional<AttemptWord>());
}

// A wrapper of an earlier process of this site is no child: it is known by attempt.json, or before
// that by its lock.
bool LocalHands::has_ended(Wrapper& wrapper) const {
    if (!wrapper.pidfd) {
        const auto attempt = attempt_of(wrapper);
        if (!attempt) {
            return is_free(wrapper.files.lock());
        }
        auto opened = core::open_pidfd(attempt->wrapper);
        if (!opened || !*opened) {
            return true;
        }
        wrapper.pidfd = std::move(**opened);
    }
    pollfd wanted{wrapper.pidfd.get(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) > 0;
}

bool LocalHands::has_left_nothing(const Wrapper& wrapper) const {
    const auto attempt = attempt_of(wrapper);
    const auto all = list_processes();
    if (!all) {
        return false;
    }
    const auto left = leftovers_of(attempt ? attempt->child : core::ProcessId{},
                                   attempt_mark(wrapper.files.path), *all);
    kill_all(left);
    return left.empty();
}

std::optional<Finished> LocalHands::look_at(Uid job, Wrapper& wrapper) {
    if (!has_ended(wrapper)) {
        return std::nullopt;
    }
    if (wrapper.ending && !has_left_nothing(wrapper) && !wrapper.ending->passed()) {
        return std::nullopt;
    }
    int status = k_status_killed;
    if (wrapper.child != 0) {
        int raw = 0;
        if (::waitpid(wrapper.child, &raw, WNOHANG) == wrapper.child) {
            status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
        }
    }
    const auto word =
        read_exit(wrapper.files, wrapper.token, wrapper.epoch).value_or(std::optional<ExitWord>());
    return Finished{.job = job,
                    .status = word ? word->status : status,
                    .begun = attempt_of(wrapper).has_value()};
}

std::vector<Finished> LocalHands::look() {
    std::vector<Finished> finished;
    for (auto at = wrappers_.begin(); at != wrappers_.end();) {
        if (auto ended = look_at(at->first, at->second)) {
            finished.push_back(*ended);
            at = wrappers_.erase(at);
        } else {
            ++at;
        }
    }
    return finished;
}

void LocalHands::signal(Uid job, int number) {
    const auto found = wrappers_.find(job);
    if (found == wrappers_.end()) {
        return;
    }
    auto& wrapper = found->second;
    if (!has_ended(wrapper) && wrapper.child != 0) {
        ::kill(wrapper.child, number);  // not reaped yet, so the number is its own
    } else if (const auto attempt = attempt_of(wrapper)) {
        (void)core::send_signal(attempt->wrapper, number);
    }
}

// As if the node had gone: nothing of it says another word.
void LocalHands::kill(Uid job) {
    const auto found = wrappers_.find(job);
    if (found != wrappers_.end()) {
        signal(job, SIGKILL);
        found->second.ending.emplace(clock_, k_ending);
    }
}

// --- Played jobs -----------------------------------------------------------------------------

void LocalHands::tell(const Launch& launch, const Result<void>& written) const {
    if (!written) {
        log_.warn("a word of a played job cannot be written",
                  {{"job", launch.token.value}, {"error", core::to_string(written.error())}});
    }
}

void LocalHands::play_begin(const Launch& launch, core::WallTime started) {
    const auto files = files_of(launch);
    // An identity that is nobody's on any machine.
    const core::ProcessId nobody{.boot_id = "played", .pid = 1, .start_ticks = 0};
    const AttemptWord word{.token = launch.token,
                           .epoch = launch.epoch,
                           .host = launch.nodes.front(),
                           .wrapper = nobody,
                           .child = nobody,
                           .started = started};
    if (!launch.directory.empty() && !core::path_exists(files.attempt())) {
        tell(launch, core::write_file(files.attempt(), attempt_text(word), 0600));
    }
}

void LocalHands::play_end(const Launch& launch, const PlayedEnd& end) {
    const auto files = files_of(launch);
    ExitWord word{.token = launch.token,
                  .epoch = launch.epoch,
                  .status = end.status,
                  .detail = {},
                  .started = end.started,
                  .finished = end.finished};
    if (end.end == End::time_limit || end.end == End::cancelled) {
        word.reason = end.end == End::cancelled ? ExitReason::cancelled : ExitReason::time_limit;
        word.detail = end.end == End::cancelled ? "" : "time limit";
        word.status = 128 + SIGTERM;
    }
    if (!launch.directory.empty() && !core::path_exists(files.exit())) {
        tell(launch, core::write_file(files.exit(), exit_text(word), 0600));
    }
}

}  // namespace

std::unique_ptr<Hands> make_hands(const core::Clock& clock, core::Log log) {
    return std::make_unique<LocalHands>(clock, std::move(log));
}

}  // namespace sust::cluster::simulated
