#include "cluster/inputs.h"

#include <algorithm>
#include <cctype>
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t k_path_bytes_max = 1024;

Path source_of(const Path& job_directory, const std::string& name) {
    return job_directory / k_inputs / name;
}

// The job and input that a link of ours leads to, wherever the directories of jobs are.
Path tail_of(const Path& source) {
    const auto inputs = source.parent_path();
    return inputs.parent_path().filename() / inputs.filename() / source.filename();
}

core::Error taken(const Path& place) {
    std::error_code code;
    const auto other = fs::read_symlink(place, code);
    const bool of_job = !code && other.parent_path().filename() == k_inputs;
    return {.fault = Fault::conflict,
            .message = of_job
                           ? fmt::format("an input cannot be put there: job {} has its own there",
                                         core::printable(tail_of(other).begin()->native()))
                           : "an input cannot be put there: something is there",
            .where = place.string(),
            .hint = of_job ? "wait for that job's end, say another workdir, or remove the link"
                           : "remove it, or say another path"};
}

// A link of an earlier job that nobody took away leads nowhere and may go.
Result<void> link(const Path& source, const Path& place, OtherJobs others) {
    std::error_code code;
    if (fs::read_symlink(place, code) == source) {
        return {};
    }
    if (others == OtherJobs::seen && fs::is_symlink(fs::symlink_status(place, code)) &&
        !fs::exists(place, code)) {
        fs::remove(place, code);
    }
    if (::symlink(source.c_str(), place.c_str()) != 0) {
        const int trouble = errno;
        if (fs::read_symlink(place, code) == source) {
            return {};  // the wrapper of another pod of the job was sooner
        }
        return trouble == EEXIST ? tl::unexpected<core::Error>(taken(place))
                                 : core::fail_errno("link the input " + place.string(), trouble);
    }
    return {};
}

Result<void> make_folder(const Path& workdir, const Path& path) {
    return path.has_parent_path() ? core::make_directories(workdir / path.parent_path())
                                  : Result<void>();
}

}  // namespace

// Whatever the node makes of it, it stays where it says: no "..", nothing a terminal obeys.
Result<void> check_plain_path(const Path& path) {
    const auto& text = path.native();
    const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
        return std::iscntrl(static_cast<unsigned char>(c)) != 0;
    });
    if (text.empty() || text.size() > k_path_bytes_max || !clean || !core::is_utf8(text)) {
        return fail(Fault::invalid, fmt::format("'{}' is no path of 1 to {} bytes of text",
                                                core::printable(text), k_path_bytes_max));
    }
    for (const auto& part : path) {
        if (part == ".." || part == "." || part.empty()) {
            return fail(Fault::invalid,
                        fmt::format("'{}' has a part '{}'", core::printable(text), part.string()),
                        {.hint = "write it without '.', '..' and a '/' at its end"});
        }
    }
    return {};
}

Result<void> check_places(const std::map<std::string, Path>& inputs,
                          const std::vector<Path>& outputs) {
    for (const auto& [name, path] : inputs) {
        TRY(core::within("input", core::check_name("input name", name)));
        TRY(core::within("input", check_plain_path(path)));
    }
    for (const auto& path : outputs) {
        TRY(core::within("output", check_plain_path(path)));
        if (path.is_absolute()) {
            return fail(Fault::invalid, "must be a relative path", {.where = "output"});
        }
    }
    return {};
}

std::string input_variable(std::string_view name) {
    std::string variable = "SUST_INPUT_";
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        variable += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
    }
    return variable;
}

Result<void> place_inputs(const std::map<std::string, Path>& inputs,
                          const std::vector<Path>& outputs, const Path& job_directory,
                          const Path& workdir, OtherJobs others) {
    for (const auto& [name, path] : inputs) {
        if (path.is_relative()) {
            TRY(make_folder(workdir, path));
            TRY(link(source_of(job_directory, name), workdir / path, others));
        }
    }
    for (const auto& path : outputs) {
        TRY(make_folder(workdir, path));
    }
    return {};
}

void remove_links(const std::map<std::string, Path>& inputs, const Path& job_directory,
                  const Path& workdir) {
    std::error_code ignored;
    for (const auto& [name, path] : inputs) {
        if (path.is_relative() && tail_of(fs::read_symlink(workdir / path, ignored)) ==
                                      tail_of(source_of(job_directory, name))) {
            fs::remove(workdir / path, ignored);
        }
    }
}

void tell_inputs(core::Environment& environment, const std::map<std::string, Path>& inputs,
                 const Path& job_directory) {
    for (const auto& [name, path] : inputs) {
        environment[input_variable(name)] =
            (path.is_absolute() ? path : source_of(job_directory, name)).string();
    }
}

}  // namespace sust::cluster
