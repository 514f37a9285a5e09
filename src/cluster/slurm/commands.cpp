#include "cluster/slurm/commands.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

// 100,000 jobs of 160 bytes; what is longer is cut, and a line that was cut is none.
constexpr std::size_t k_output_max = 32 << 20;

// The first line says what, the last one often only that.
std::string said_by(const core::Output& output) {
    const auto text = core::trim(output.err.empty() ? output.out : output.err);
    return core::printable(text.substr(0, text.find('\n')), 400);
}

// What passes by itself: a controller that does not answer, or is not ready.
bool is_passing(std::string_view said) {
    for (const std::string_view sign :
         {"Unable to contact", "Socket timed out", "Connection refused", "Zero Bytes",
          "temporarily unable", "Slurm backup controller", "Transport endpoint", "Connection reset",
          "slurm_persist", "Slurmctld is", "Resource temporarily"}) {
        if (said.find(sign) != std::string_view::npos) {
            return true;
        }
    }
    return false;
}

// To be read from its beginning: what a command gets without a file on a disk.
Result<core::Fd> file_in_memory(std::string_view bytes) {
    core::Fd file(::memfd_create("sust-batch", MFD_CLOEXEC));
    if (!file) {
        return core::fail_errno("make a file in memory", errno);
    }
    TRY(core::write_all(file.get(), bytes));
    if (::lseek(file.get(), 0, SEEK_SET) != 0) {
        return core::fail_errno("go to the beginning of a file in memory", errno);
    }
    return file;
}

std::int64_t minutes(Duration duration) {
    return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::minutes>(duration).count());
}

// `words` with {user}, {uid} and {gid} in place.
std::vector<std::string> becoming(const std::vector<std::string>& words,
                                  const core::Identity& who) {
    const std::array<std::pair<std::string_view, std::string>, 3> places = {
        {{"{user}", who.name},
         {"{uid}", std::to_string(who.uid)},
         {"{gid}", std::to_string(who.gid)}}};
    auto filled = words;
    for (auto& word : filled) {
        for (const auto& [place, value] : places) {
            if (const auto at = word.find(place); at != std::string::npos) {
                word.replace(at, place.size(), value);
            }
        }
    }
    return filled;
}

}  // namespace

std::vector<std::string> words_of(const Resources& resources) {
    // One task for Slurm on each node: the wrapper there starts those of the job.
    std::vector<std::string> words{fmt::format("--nodes={}", resources.nodes),
                                   "--ntasks-per-node=1",
                                   fmt::format("--cpus-per-task={}", resources.cpus),
                                   fmt::format("--time={}", minutes(resources.time))};
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            words.push_back(fmt::format("--{}={}", name, value));
        }
    };
    constexpr std::uint64_t k_mib = 1 << 20;
    if (resources.memory_bytes > 0) {
        words.push_back(fmt::format("--mem={}M", (resources.memory_bytes + k_mib - 1) / k_mib));
    }
    const auto& gpus = resources.gpus;
    if (gpus.count > 0) {
        words.push_back(fmt::format("--gpus-per-node={}{}{}", gpus.type,
                                    gpus.type.empty() ? "" : ":", gpus.count));
    }
    add("partition", resources.partition);
    add("account", resources.account);
    add("qos", resources.qos);
    add("exclude", core::join(resources.exclude_nodes, ","));
    if (resources.nice > 0) {
        words.push_back(fmt::format("--nice={}", resources.nice));
    }
    for (const auto& [name, value] : resources.options) {
        words.push_back(value.empty() ? "--" + name : fmt::format("--{}={}", name, value));
    }
    return words;
}

Commands::Commands(const SlurmOptions& options, const Principals& principals,
                   const core::Clock& clock)
    : environment_(options.commands),
      user_(options.user),
      patience_(options.patience),
      become_(options.become),
      principals_(&principals),
      clock_(&clock) {
    environment_.try_emplace("PATH",
                             "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    environment_["LC_ALL"] = "C.UTF-8";
    environment_["TZ"] = "UTC";  // Slurm's commands tell local times
}

// Behind the words that become the principal; a name that is not on the list has none.
Result<std::vector<std::string>> Commands::as(const std::string& principal,
                                              std::vector<std::string> words) const {
    if (principal.empty()) {
        return words;
    }
    const auto* who = principals_->named(principal);
    if (who == nullptr) {
        return fail(Fault::denied, fmt::format("'{}' is no principal of this back end",
                                               core::printable(principal, 64)));
    }
    auto all = becoming(become_, who->identity);
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

Result<core::Output> Commands::call(std::vector<std::string> words, int in) const {
    const auto program = words.front();
    auto output = core::run({.argv = std::move(words), .environment = environment_, .in = in},
                            core::Deadline(*clock_, patience_), k_output_max);
    if (!output) {
        const auto fault = output.error().fault;
        return fail(fault == Fault::timeout ? Fault::timeout : Fault::unavailable,
                    fmt::format("{}: {}", program, output.error().message),
                    {.hint = "are Slurm's commands installed here, and does its controller run?"});
    }
    if (output->status != 0) {
        const auto said = said_by(*output);
        return fail(is_passing(said) ? Fault::unavailable : Fault::invalid,
                    fmt::format("{}: {}", program,
                                said.empty() ? fmt::format("status {}", output->status) : said));
    }
    return output;
}

Result<std::string> Commands::text_of(std::vector<std::string> words) const {
    return TRY(call(std::move(words))).out;
}

Result<std::string> Commands::submit(const Submission& submission) {
    std::vector<std::string> all{
        "sbatch", "--parsable", "--job-name=" + submission.name, "--comment=" + submission.comment,
        // Attempts are ours to count: Slurm starts each once.
        "--no-requeue",
        // All is what sbatch has from us. Whatever else may be said here makes the node start the
        // user's shell to look, and drain itself where that fails.
        "--export=ALL", "--chdir=" + submission.directory.string(),
        "--output=" + submission.log.string(), "--open-mode=append"};
    const auto words = words_of(submission.resources);
    all.insert(all.end(), words.begin(), words.end());
    const auto script = TRY(file_in_memory(submission.script));
    const auto text =
        TRY(call(TRY(as(submission.resources.principal, std::move(all))), script.get())).out;
    // "7", or "7;cluster"
    const auto id = std::string(core::trim(std::string_view(text).substr(0, text.find(';'))));
    if (!core::parse_integer(id)) {
        return fail(Fault::unavailable,
                    "sbatch said no number: " + core::printable(core::trim(text), 200));
    }
    return id;
}

Result<void> Commands::cancel(const std::string& id, const std::string& principal) {
    // The wrapper alone is asked, and asks its command; what does not end is ended by Slurm.
    // As its owner: a number that was given away may be anybody's job by now.
    TRY(call(TRY(as(principal, {"scancel", "--quiet", id}))));
    return {};
}

Result<Listing> Commands::list() {
    Listing listing{.asked = clock_->monotonic()};
    auto users = principals_->names();
    users.push_back(user_);
    listing.jobs = parse_queue(
        TRY(text_of({"squeue", "--noheader", "--user=" + core::join(users, ","), "--all",
                     "--states=all", "--format", std::string(k_queue_format)})));
    return listing;
}

// From slurmdbd, else from the file of jobcomp/filetxt.
Result<std::vector<PastRow>> Commands::recall(const std::vector<std::string>& ids) {
    std::vector<std::string> words{"sacct",
                                   "--noheader",
                                   "--parsable2",
                                   "--allocations",
                                   "--duplicates",
                                   "--format=JobIDRaw,JobName,User,State",
                                   "--jobs=" + core::join(ids, ",")};
    if (const auto told = text_of(words)) {
        return parse_past(*told);
    }
    words = {"sacct",
             "--completion",
             "--noheader",
             "--parsable2",
             "--format=JobID,JobName,User,State",
             "--jobs=" + core::join(ids, ",")};
    return parse_past(TRY(text_of(std::move(words))));
}

Result<Site> Commands::look() {
    Site site;
    site.partitions = parse_partitions(
        TRY(text_of({"sinfo", "--noheader", "--format", std::string(k_partition_format)})));
    site.nodes = parse_nodes(
        TRY(text_of({"sinfo", "--noheader", "--Node", "--format", std::string(k_node_format)})),
        k_reason_prefix);
    const auto now = clock_->wall();
    for (auto& node : site.nodes) {
        node.observed = now;
    }
    return site;
}

Result<void> Commands::drain(const std::string& node, const std::string& reason) {
    TRY(call({"scontrol", "update", "nodename=" + node, "state=drain",
              fmt::format("reason={}{}", k_reason_prefix, reason)}));
    return {};
}

Result<void> Commands::resume(const std::string& node) {
    TRY(call({"scontrol", "update", "nodename=" + node, "state=resume"}));
    return {};
}

Result<Outlook> Commands::outlook(const Resources& resources) {
    std::vector<std::string> all{"sbatch", "--test-only"};
    const auto words = words_of(resources);
    all.insert(all.end(), words.begin(), words.end());
    all.emplace_back("--wrap=true");
    const auto output = TRY(call(TRY(as(resources.principal, std::move(all)))));
    const auto outlook = parse_test_only(output.err + output.out);
    return outlook ? Result<Outlook>(*outlook)
                   : Result<Outlook>(Outlook{.why = "Slurm gives no estimate"});
}

Result<void> Commands::try_principal(const std::string& principal) {
    const auto said = TRY(text_of(TRY(as(principal, {"id", "-un"}))));
    if (core::trim(said) != principal) {
        return fail(Fault::denied, fmt::format("`become` gives {} in place of {}",
                                               core::printable(core::trim(said), 64), principal));
    }
    TRY(call(TRY(as(principal, {"squeue", "--noheader", "--me"}))));
    return {};
}

Result<std::string> Commands::version() {
    return std::string(core::trim(TRY(text_of({"sinfo", "--version"}))));
}

Result<void> Commands::ping() {
    const auto said = TRY(text_of({"scontrol", "ping"}));
    return said.find("is UP") != std::string::npos
               ? Result<void>()
               : fail(Fault::unavailable, core::printable(core::trim(said), 200));
}

}  // namespace sust::cluster::slurm
