#include "cluster/slurm/check.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "cluster/slurm/batch.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_answer_within = 20s;  // of a job of a second on an idle node
constexpr Duration k_look_again = 200ms;
constexpr std::string_view k_word = "sust sees this";

CheckLine line_of(std::string what, const Result<std::string>& said, std::string hint) {
    return {.what = std::move(what),
            .outcome = said ? CheckLine::Outcome::good : CheckLine::Outcome::bad,
            .detail = said ? *said : core::to_string(said.error()),
            .hint = said ? "" : std::move(hint)};
}

// A job that answers in the directory where this machine wrote a word.
Submission question(const Path& directory, const SlurmOptions& options) {
    const auto name = fmt::format("check-{}", ::getpid());
    return {
        .resources = {.time = 1min, .partition = options.partition, .account = options.account},
        .name = name,
        .comment = comment_of({name}, 1),
        .directory = directory,
        .log = directory / "log",
        .script = fmt::format("#!/bin/sh\ncd {} || exit 1\n"
                              "{{ cat word; echo; date +%s; test -x {} && echo ok; }} >said\n"
                              "mv said answer\n",
                              shell_word(directory.string()), shell_word(options.agent.string()))};
}

Result<std::string> ask_node(Transport& transport, const SlurmOptions& options,
                             const Path& directory, const core::Clock& clock) {
    const auto submission = question(directory, options);
    TRY(core::write_file(directory / "word", k_word));
    const auto id = TRY(transport.submit(submission));
    const core::Deadline deadline(clock, k_answer_within);
    while (!deadline.passed()) {
        if (auto answer = TRY(core::read_file_if_any(directory / "answer", 4096))) {
            return std::move(*answer);
        }
        std::this_thread::sleep_for(k_look_again);
    }
    std::string state = "Slurm does not list it";
    if (const auto listing = transport.list()) {
        for (const auto& row : listing->jobs) {
            state =
                row.id == id ? row.state + (row.reason.empty() ? "" : ", " + row.reason) : state;
        }
    }
    (void)transport.cancel(id, {});
    return core::fail(core::Fault::timeout, fmt::format("its job {} wrote nothing there in {} ({})",
                                                        id, core::format_duration(k_answer_within),
                                                        core::printable(state, 200)));
}

// A file that this machine writes and a node reads, and what time it is there.
std::vector<CheckLine> check_carrier(Transport& transport, const SlurmOptions& options,
                                     const core::Clock& clock) {
    const auto place = core::TemporaryDirectory::create(options.book.jobs, ".check-");
    const auto told = place ? ask_node(transport, options, place->path(), clock)
                            : Result<std::string>(tl::unexpected<core::Error>(place.error()));
    const auto parts = core::split(told.value_or(""), '\n');
    const bool read = !parts.empty() && parts[0] == k_word;
    std::vector<CheckLine> lines;
    lines.push_back({.what = "carrier",
                     .outcome = read ? CheckLine::Outcome::good : CheckLine::Outcome::bad,
                     .detail = read ? "a node reads and writes " + options.book.jobs.string()
                                    : (told ? "a node does not read it" : to_string(told.error())),
                     .hint = read ? "" : "put `jobs` on a file system that every node mounts"});
    if (parts.size() < 2) {
        return lines;
    }
    const auto there = core::parse_integer(parts[1]).value_or(0);
    const auto here =
        std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
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
    return lines;
}

}  // namespace

std::vector<CheckLine> check_site(Transport& transport, const SlurmOptions& options,
                                  const core::Clock& clock) {
    std::vector<CheckLine> lines;
    const bool rest = transport.name() != "commands";
    lines.push_back(line_of(std::string(transport.name()), transport.version(),
                            rest ? "does slurmrestd listen at `rest`, and is the token good?"
                                 : "install Slurm's client commands, or set SLURM_CONF"));
    const auto ping = transport.ping();
    lines.push_back(
        line_of("controller",
                ping ? Result<std::string>("answers") : tl::unexpected<core::Error>(ping.error()),
                "is slurmctld up, and is it that of this cluster?"));
    const auto listing = transport.list();
    lines.push_back(
        line_of("jobs",
                listing ? Result<std::string>(fmt::format("{} of ours", listing->jobs.size()))
                        : tl::unexpected<core::Error>(listing.error()),
                "may this user list jobs?"));
    for (const auto& name : options.principals) {
        const auto tried = transport.try_principal(name);
        lines.push_back(
            line_of("principal " + name,
                    tried ? Result<std::string>("can be become")
                          : tl::unexpected<core::Error>(tried.error()),
                    rest ? "is its token in token_directory, or that of `user` SlurmUser's?"
                         : "does `become` become it, and may it use Slurm?"));
    }
    if (ping) {
        for (auto& line : check_carrier(transport, options, clock)) {
            lines.push_back(std::move(line));
        }
    }
    return lines;
}

}  // namespace sust::cluster::slurm
