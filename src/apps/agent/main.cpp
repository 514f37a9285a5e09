// sust-agent: what runs beside a job, on nodes that have nothing but a kernel.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "apps/common/process_environment.h"
#include "cluster/tasks.h"
#include "cluster/wrapper.h"
#include "core/text.h"

namespace {

using namespace sust;

constexpr std::string_view k_help =
    "sust-agent " SUST_VERSION
    ": runs inside a job, for sustd. Not meant to be called by hand.\n"
    "\n"
    "  sust-agent job --directory DIR --epoch N [--pod FOLDER]\n"
    "      Wraps attempt N of the job whose files are in DIR (docs/protocol/job.md):\n"
    "      writes attempt.json, runs the command, enforces its time limit, writes exit.json.\n"
    "      The exit status is the command's: its code, or 128 + the signal that ended it.\n"
    "      125: the wrapper failed; 126: the command cannot be run; 127: it was not found.\n"
    "      --pod: in a pod, whose job.json and wishes are in FOLDER.\n"
    "  sust-agent bring --to FOLDER\n"
    "      Copies this program to FOLDER/bin, for a container whose image does not have it.\n"
    "  sust-agent tasks --count N [--grace 10s] -- COMMAND...\n"
    "      Starts the N tasks of one node, all or none; each finds its place in SUST_RANK,\n"
    "      SUST_WORLD_SIZE, SUST_LOCAL_RANK, ... The first that fails ends the others.\n"
    "      The exit status is that task's, or 0.\n"
    "  sust-agent --version\n"
    "  sust-agent --help\n";

int complain(const core::Error& error) {
    const auto line = "sust-agent: " + core::to_string(error) + "\n";
    (void)core::write_all(STDERR_FILENO, line);
    return core::exit_code(error.fault);
}

// Descriptors 0 to 2 must be somebody's, or the first files that we open become the job's streams.
void fill_standard_streams() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    ::close(fd);
}

core::Result<cluster::WrapperOptions> read_job(const std::vector<std::string>& words) {
    cluster::WrapperOptions options;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] == "--directory") {
            options.job_directory = std::filesystem::path(words[i + 1]).lexically_normal();
        } else if (words[i] == "--epoch") {
            options.epoch = TRY(core::parse_integer(words[i + 1]));
        } else if (words[i] == "--pod") {
            options.pod.emplace(words[i + 1]);
        } else {
            return core::fail(core::Fault::invalid,
                              "no option '" + core::printable(words[i]) + "'");
        }
    }
    if (words.size() % 2 != 0 || !options.job_directory.is_absolute() || options.epoch < 1) {
        return core::fail(core::Fault::invalid, "job needs --directory DIR --epoch N",
                          {.hint = "DIR is absolute, N is 1 or more"});
    }
    return options;
}

core::Result<cluster::TasksOptions> read_tasks(const std::vector<std::string>& words) {
    cluster::TasksOptions options{.count = 0};
    std::size_t i = 0;
    for (; i + 1 < words.size() && words[i] != "--"; i += 2) {
        if (words[i] == "--count") {
            const auto count = TRY(core::parse_integer(words[i + 1]));
            options.count = count <= cluster::k_tasks_max ? static_cast<int>(count) : 0;
        } else if (words[i] == "--grace") {
            options.grace = TRY(core::parse_duration(words[i + 1]));
        } else {
            return core::fail(core::Fault::invalid,
                              "no option '" + core::printable(words[i]) + "'");
        }
    }
    if (i + 1 >= words.size() || words[i] != "--" || words[i + 1].empty() || options.count < 1) {
        return core::fail(core::Fault::invalid,
                          "tasks needs --count N [--grace DURATION] -- COMMAND...",
                          {.hint = fmt::format("N is between 1 and {}", cluster::k_tasks_max)});
    }
    options.argv.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
    return options;
}

// A pod has one stream for the wrapper and the command: there only what is wrong is told.
core::Level lowest_level(const cluster::WrapperOptions& options) {
    return options.pod ? core::Level::warn : core::Level::info;
}
core::Level lowest_level(const cluster::TasksOptions&) {
    return core::Level::info;
}

// What either does: reads its arguments, and runs to the end.
template <class Read, class Run>
int begin(const std::vector<std::string>& words, Read read, Run run) {
    fill_standard_streams();
    auto options = read({words.begin() + 1, words.end()});
    if (!options) {
        return complain(options.error());
    }
    options->environment = apps::process_environment();
    const core::SystemClock clock;
    const core::Log log(clock, "agent", STDERR_FILENO, core::LogForm::text, lowest_level(*options));
    return run(*options, clock, log);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.empty() || words[0] == "--help" || words[0] == "-h") {
        (void)core::write_all(STDOUT_FILENO, k_help);
        return 0;
    }
    if (words[0] == "--version") {
        (void)core::write_all(STDOUT_FILENO, "sust-agent " SUST_VERSION "\n");
        return 0;
    }
    if (words[0] == "bring" && words.size() == 3 && words[1] == "--to") {
        const auto brought = cluster::bring_agent(words[2]);
        return brought ? 0 : complain(brought.error());
    }
    if (words[0] == "job") {
        return begin(words, read_job, cluster::run_wrapper);
    }
    if (words[0] == "tasks") {
        return begin(words, read_tasks, cluster::run_tasks);
    }
    return complain(core::fail(core::Fault::invalid,
                               "no command '" + core::printable(words[0]) + "'",
                               {.hint = "sust-agent --help"})
                        .value());
}
