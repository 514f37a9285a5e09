#include "env/bootstrap.h"

#include <optional>

#include "core/text.h"
#include "env/memory.h"

namespace sust::env {

using core::Clock;
using core::Deadline;
using core::Fault;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto k_longest = 2h;  // a few GB over a slow line
// zstd 9: 46 MB where 15, the default, gives 43 MB in five times the time.
constexpr const char* k_compression_level = "9";

// "$1" is the new root. The host's names would make the image differ from machine to machine.
constexpr const char* k_record_packages =
    R"(dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Package}\t${Version}\t${Architecture}\n' > "$SUST_PACKAGES")";
constexpr const char* k_forget_host = R"(rm -f "$1/etc/resolv.conf" "$1/etc/hostname")";
constexpr const char* k_forget_haste = R"(rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap")";
constexpr const char* k_pin =
    R"(mkdir -p "$1/etc/apt/preferences.d" && cp "$SUST_PINS" "$1/etc/apt/preferences.d/sust-lock")";
constexpr const char* k_unpin = R"(rm "$1/etc/apt/preferences.d/sust-lock")";

constexpr const char* k_in_memory =
    R"(mount -t tmpfs -o "size=$1,mode=0755" tmpfs "$TMPDIR" && shift && exec "$@")";

// Half of what is free now, if that is twice what the build file says that a build needs.
std::optional<std::uint64_t> memory_for_tree(const Bootstrap& task) {
    auto available = available_memory("/proc", "/sys/fs/cgroup");
    if (in_chroot() || !available || *available / 2 < 2 * task.file->disk_bytes) {
        return std::nullopt;
    }
    return *available / 2;
}

std::vector<std::string> mmdebstrap_command(const Bootstrap& task,
                                            std::optional<std::uint64_t> memory) {
    const auto& file = *task.file;
    std::vector<std::string> argv{
        "mmdebstrap",
        "--mode=root",
        "--format=tar",
        "--variant=" + file.variant,
        "--components=" + core::join(file.components, ","),
        "--aptopt=Acquire::Retries \"3\"",
        "--aptopt=Acquire::http::Timeout \"30\"",
        "--dpkgopt=force-unsafe-io",  // a tree that a power cut spoils is not kept anyway
        "--skip=output/dev",
        std::string("--customize-hook=") + k_record_packages,
        std::string("--customize-hook=") + k_forget_host,
        std::string("--customize-hook=") + k_forget_haste,
    };
    if (!file.packages.empty()) {
        argv.push_back("--include=" + core::join(file.packages, ","));
    }
    if (!file.check_valid_until) {
        argv.emplace_back("--aptopt=Acquire::Check-Valid-Until \"false\"");
    }
    if (!task.pins.empty()) {
        argv.push_back(std::string("--setup-hook=") + k_pin);
        argv.push_back(std::string("--customize-hook=") + k_unpin);
    }
    argv.insert(argv.end(),
                {file.suite, "-",
                 "deb " + task.mirror + " " + file.suite + " " + core::join(file.components, " ")});
    if (memory) {
        std::vector<std::string> mounted{"sh", "-c", k_in_memory, "sh", std::to_string(*memory)};
        argv.insert(argv.begin(), mounted.begin(), mounted.end());
    }
    return as_builder(task.builder, std::move(argv));
}

// As the builder too, whose root then owns the root directory; its time is SOURCE_DATE_EPOCH.
std::vector<std::string> mksquashfs_command(const Bootstrap& task) {
    return as_builder(task.builder,
                      {"mksquashfs", "-", (task.folder / "image.sqsh").string(), "-tar", "-comp",
                       "zstd", "-Xcompression-level", k_compression_level, "-root-mode", "0755",
                       "-no-progress", "-quiet"});
}

core::Environment environment_for(const Bootstrap& task) {
    auto environment = task.environment;
    environment["TMPDIR"] = (task.folder / "tmp").string();
    environment["HOME"] = (task.folder / "tmp").string();
    environment["SOURCE_DATE_EPOCH"] = std::to_string(task.epoch);
    environment["SUST_PACKAGES"] = (task.folder / "packages.txt").string();
    environment["SUST_PINS"] = (task.folder / "pins").string();
    return environment;
}

Result<void> run_both(const Bootstrap& task, std::optional<std::uint64_t> memory,
                      const OnProgress& progress, const Clock& clock) {
    Deadline deadline(clock, k_longest);
    auto tar = TRY(core::make_pipe());
    auto words = TRY(core::make_pipe());
    auto environment = environment_for(task);
    auto maker = TRY(core::Child::spawn({.argv = mmdebstrap_command(task, memory),
                                         .environment = environment,
                                         .workdir = task.folder,
                                         .out = tar.write.get(),
                                         .err = words.write.get(),
                                         .die_with_parent = true}));
    auto packer = TRY(core::Child::spawn({.argv = mksquashfs_command(task),
                                          .environment = environment,
                                          .workdir = task.folder,
                                          .in = tar.read.get(),
                                          .out = words.write.get(),
                                          .err = words.write.get(),
                                          .die_with_parent = true}));
    tar = {};
    words.write.reset();
    BuildListener listener(progress, task.cancelled, clock);
    TRY(listener.listen(words.read.get(), deadline));
    auto made = TRY(maker.wait(deadline));
    auto packed = TRY(packer.wait(deadline));
    if (made != 0 || packed != 0) {
        return tl::unexpected(explain_failure(listener.lines(), *task.file, task.mirror));
    }
    return {};
}

}  // namespace

std::string pin_file(const std::vector<Package>& pins) {
    std::string text;
    for (const auto& pin : pins) {
        text +=
            "Package: " + pin.name + "\nPin: version " + pin.version + "\nPin-Priority: 1001\n\n";
    }
    return text + "Package: *\nPin: release *\nPin-Priority: -1\n";
}

Result<void> bootstrap(const Bootstrap& task, const OnProgress& progress, const Clock& clock) {
    if (!task.pins.empty()) {
        TRY(core::write_file(task.folder / "pins", pin_file(task.pins)));
    }
    // A tree of many small files that is thrown away is made in memory where that is plenty.
    if (auto memory = memory_for_tree(task)) {
        auto done = run_both(task, memory, progress, clock);
        if (done || done.error().fault != Fault::exhausted) {
            return done;
        }
        TRY(core::remove_tree(task.folder / "image.sqsh"));
    }
    return run_both(task, std::nullopt, progress, clock);
}

}  // namespace sust::env
