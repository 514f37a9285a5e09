// What a Slurm back end costs, against a cluster that is there: bench/cluster/slurm runs it.
//   slurm-bench JOBS AGENT COUNT LISTED ENDS [rest ADDRESS TOKEN_FILE]
// Prints JSON: seconds of COUNT submissions through us and without us, CPU of a poll with LISTED
// jobs in the list, and how late the ends of ENDS jobs are seen.

#include "cluster/slurm/slurm.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/resource.h>

#include "cluster/slurm/commands.h"
#include "cluster/slurm/pass.h"
#include "cluster/slurm/rest.h"
#include "cluster/slurm/rest_text.h"
#include "core/text.h"

namespace {

using namespace sust;
using namespace std::chrono_literals;

struct Setup {
    core::Path jobs;
    core::Path agent;
    int count = 0;
    int listed = 0;
    int ends = 0;
    std::string rest;
    core::Path token_file;
};

double seconds(core::MonoTime from, core::MonoTime to) {
    return std::chrono::duration<double>(to - from).count();
}

double cpu(int who) {
    rusage usage{};
    ::getrusage(who, &usage);
    const auto of = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

template <class T>
T must(core::Result<T> result) {
    if (!result) {
        std::cerr << "slurm-bench: " << core::to_string(result.error()) << '\n';
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

class Bench {
  public:
    Bench(Setup setup, const core::Clock& clock)
        : setup_(std::move(setup)), clock_(clock), log_(clock, "bench", 2, core::LogForm::text) {
        options_.name = "bench";
        options_.user = "root";
        options_.book.jobs = setup_.jobs;
        options_.book.max_live_jobs = 100'000;
        options_.agent = setup_.agent;
        options_.period = 1s;
        options_.commands["SLURM_CONF"] = std::getenv("SLURM_CONF");
        options_.rest = {.address = setup_.rest, .token_file = setup_.token_file, .user = "root"};
        scheduler_ = must(cluster::open_slurm(options_, clock_, log_));
        scheduler_->watch([this](const cluster::JobStatus& status) { on_change(status); });
    }

    double submit_ours(const std::string& prefix, int count) {
        const auto begin = clock_.monotonic();
        for (int i = 0; i < count; ++i) {
            submit(fmt::format("{}-{}", prefix, i));
        }
        const auto is_there = [&] {
            int there = 0;
            for (int i = 0; i < count; ++i) {
                there +=
                    core::path_exists(setup_.jobs / fmt::format("{}-{}/1/native_id", prefix, i))
                        ? 1
                        : 0;
            }
            return there == count;
        };
        turn_until(is_there);
        return seconds(begin, clock_.monotonic());
    }

    // The same requests from the same process, one after the other as ours are.
    double submit_plainly(const std::string& prefix, int count) {
        const auto script = setup_.jobs / (prefix + ".sh");
        const std::string text = "#!/bin/sh\nexit 0\n";
        must(core::write_file(script, text, 0700));
        if (setup_.rest.empty()) {
            const auto begin = clock_.monotonic();
            for (int i = 0; i < count; ++i) {
                core::Environment environment = options_.commands;
                environment["PATH"] = "/usr/bin:/bin";
                const auto output =
                    must(core::run({.argv = {"sbatch", "--parsable", "--output=/dev/null",
                                             "--time=2", script.string()},
                                    .environment = environment},
                                   core::Deadline(clock_, 30s)));
                if (output.status != 0) {
                    must<void>(core::fail(core::Fault::internal, output.err));
                }
            }
            return seconds(begin, clock_.monotonic());
        }
        const auto exchange = cluster::slurm::open_exchange(setup_.rest, clock_);
        const auto body = cluster::slurm::submit_text({.resources = {.time = 2min},
                                                       .name = "plain",
                                                       .comment = "plain",
                                                       .directory = "/tmp",
                                                       .log = "/dev/null",
                                                       .script = text});
        const auto pass = must(cluster::slurm::read_token(setup_.token_file));
        const auto begin = clock_.monotonic();
        for (int i = 0; i < count; ++i) {
            const auto answer =
                must(exchange({.method = "POST",
                               .target = "/slurm/v0.0.38/job/submit",
                               .headers = {{"Host", "slurmrestd"},
                                           {"Content-Type", "application/json"},
                                           {"X-SLURM-USER-NAME", "root"},
                                           {"X-SLURM-USER-TOKEN", pass.text.reveal()}},
                               .body = body},
                              30s));
            must(cluster::slurm::read_submitted(answer.body));
        }
        return seconds(begin, clock_.monotonic());
    }

    // Of our process, and of the commands that it starts.
    nlohmann::json poll_cost(int periods) {
        turn_for(3s);
        const double own = cpu(RUSAGE_SELF);
        const double children = cpu(RUSAGE_CHILDREN);
        turn_for(periods * 1s);
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return {{"own_ms", (cpu(RUSAGE_SELF) - own) / periods * 1e3},
                {"commands_ms", (cpu(RUSAGE_CHILDREN) - children) / periods * 1e3},
                {"max_rss_mib", usage.ru_maxrss / 1024}};
    }

    std::vector<double> lateness(int count) {
        for (int i = 0; i < count; ++i) {
            const auto token = fmt::format("end-{}-{}", setup_.rest.empty() ? "c" : "r", i);
            submit(token);
            turn_until([&] { return last_ended_ == token; });
        }
        return late_;
    }

  private:
    void submit(const std::string& token) {
        cluster::JobSpec spec{.token = {token}, .name = token, .argv = {"/bin/true"}};
        spec.time_limit = 1min;
        must(scheduler_->submit(spec));
    }
    void on_change(const cluster::JobStatus& status) {
        if (status.state == cluster::State::ended) {
            last_ended_ = status.token.value;
            late_.push_back(std::chrono::duration<double>(clock_.wall() - status.finished).count());
        }
    }
    void turn() {
        pollfd wake{.fd = scheduler_->wake_fd(), .events = POLLIN, .revents = 0};
        ::poll(&wake, 1, 100);
        scheduler_->poll();
    }
    template <class Done>
    void turn_until(Done done) {
        const core::Deadline deadline(clock_, 30min);
        while (!done() && !deadline.passed()) {
            turn();
        }
    }
    void turn_for(core::Duration time) {
        const core::Deadline deadline(clock_, time);
        while (!deadline.passed()) {
            turn();
        }
    }

    Setup setup_;
    const core::Clock& clock_;
    core::Log log_;
    cluster::SlurmOptions options_;
    std::unique_ptr<cluster::Scheduler> scheduler_;
    std::string last_ended_;
    std::vector<double> late_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() != 5 && words.size() != 8) {
        std::cerr << "usage: slurm-bench JOBS AGENT COUNT LISTED ENDS [rest ADDRESS TOKEN_FILE]\n";
        return 2;
    }
    Setup setup{.jobs = words[0],
                .agent = words[1],
                .count = std::stoi(words[2]),
                .listed = std::stoi(words[3]),
                .ends = std::stoi(words[4])};
    if (words.size() == 8) {
        setup.rest = words[6];
        setup.token_file = words[7];
    }
    const core::SystemClock clock;
    Bench bench(setup, clock);
    nlohmann::json told;
    if (setup.ends > 0) {
        told["late_seconds"] = bench.lateness(setup.ends);
    }
    constexpr int k_rounds = 3;  // taking turns, so that whatever else the machine does meets both
    for (int round = 0; setup.count > 0 && round < k_rounds; ++round) {
        told["plain_seconds"].push_back(
            bench.submit_plainly(fmt::format("plain-{}", round), setup.count));
        told["ours_seconds"].push_back(
            bench.submit_ours(fmt::format("ours-{}", round), setup.count));
    }
    if (setup.listed > 0) {
        bench.submit_ours("listed", std::max(0, setup.listed - k_rounds * setup.count));
        told["poll"] = bench.poll_cost(20);
    }
    std::cout << told.dump() << '\n';
    return 0;
}
