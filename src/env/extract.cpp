#include "env/extract.h"

#include <system_error>

#include <sys/stat.h>

#include "core/process.h"
#include "core/text.h"
#include "env/squashfs.h"

namespace sust::env {

using core::Clock;
using core::Deadline;
using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto k_longest = 30min;                   // tens of GB on a slow parallel file system
constexpr std::uint64_t k_expansion = 4;            // files over squashfs, at zstd's usual ratio
constexpr std::uint64_t k_worth_a_word = 16 << 20;  // smaller ones are done within a moment

// unsquashfs ends with 2 when all it could not make were things that only root can.
bool only_lacks_root(const core::Output& output) {
    if (output.status != 2) {
        return false;
    }
    for (const auto& line : core::split(core::trim(output.err), '\n')) {
        if (!line.empty() && line.find("superuser") == std::string::npos) {
            return false;
        }
    }
    return true;
}

Result<void> check_space(const Path& image, const SquashfsFacts& facts, const Path& cache) {
    auto free = TRY(core::free_bytes(cache));
    auto need = facts.used_bytes * k_expansion;
    if (free < need) {
        return fail(Fault::exhausted,
                    "extracting " + image.string() + " may need " + core::format_size(need) +
                        ", but only " + core::format_size(free) + " are free",
                    {.where = cache.string(),
                     .hint = "free some space, or put the cache elsewhere (XDG_CACHE_HOME)"});
    }
    return {};
}

Result<void> unsquash(const Path& image, const Path& into, const Clock& clock) {
    auto output = core::run({.argv = {"unsquashfs", "-no-progress", "-no-xattrs", "-quiet", "-d",
                                      into.string(), image.string()},
                             .die_with_parent = true},
                            Deadline(clock, k_longest));
    if (!output) {
        output.error().hint = "plain users need unsquashfs (package squashfs-tools)";
        return tl::unexpected(output.error());
    }
    if (output->status != 0 && !only_lacks_root(*output)) {
        return fail(
            Fault::invalid, "unsquashfs failed: " + core::printable(core::trim(output->err), 300),
            {.where = image.string(), .hint = "the image may be damaged: build or copy it again"});
    }
    return {};
}

void say(const std::string& text) {
    // A lost progress line is no reason to fail.
    [[maybe_unused]] auto written = core::write_all(2, text + "\n");
}

Result<void> extract_to(const Path& image, const Path& temporary, const Path& place,
                        const Clock& clock) {
    auto facts = TRY(inspect_squashfs(image));
    TRY(remove_stubborn_tree(temporary));
    TRY(check_space(image, facts, place.parent_path()));
    bool speak = facts.used_bytes > k_worth_a_word;
    if (speak) {
        say("extracting the image, " + core::format_size(facts.used_bytes) +
            " packed; later starts use this copy");
    }
    auto began = clock.monotonic();
    if (auto done = unsquash(image, temporary, clock); !done) {
        TRY(remove_stubborn_tree(temporary));
        return done;
    }
    std::error_code error;
    std::filesystem::rename(temporary, place, error);
    if (error) {
        return core::fail_errno("rename " + temporary.string(), error.value());
    }
    if (speak) {
        auto took = std::chrono::duration_cast<core::Duration>(clock.monotonic() - began);
        say("extracted in " + core::format_duration(took));
    }
    return {};
}

}  // namespace

Result<Path> extracted(const Path& image, const std::string& key, const Path& cache,
                       const Clock& clock) {
    auto folder = cache / "environments";
    auto place = folder / key;
    if (core::path_exists(place)) {
        return place;
    }
    TRY(core::make_directories(folder, 0700));
    auto lock =
        TRY(core::FileLock::acquire(folder / ("." + key + ".lock"), Deadline(clock, k_longest)));
    if (!core::path_exists(place)) {
        TRY(extract_to(image, folder / ("." + key + ".part"), place, clock));
    }
    return place;
}

Result<void> remove_stubborn_tree(const Path& tree) {
    std::error_code error;
    auto status = std::filesystem::symlink_status(tree, error);
    if (status.type() == std::filesystem::file_type::directory) {
        ::chmod(tree.c_str(), 0700);
        using Walk = std::filesystem::recursive_directory_iterator;
        for (Walk at(tree, error), end; !error && at != end; at.increment(error)) {
            // Before the walk enters it: a directory that its owner may not read or change.
            if (at->symlink_status(error).type() == std::filesystem::file_type::directory) {
                ::chmod(at->path().c_str(), 0700);
            }
        }
    }
    return core::remove_tree(tree);
}

}  // namespace sust::env
