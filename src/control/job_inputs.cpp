#include "control/job_inputs.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/inputs.h"

namespace sust::control {

using core::Fault;
using core::Path;
using core::Result;

namespace {

constexpr std::size_t k_piece = 1 << 20;
// Of one call of copy_file_range, which is not interrupted.
constexpr std::size_t k_range = 64 << 20;

core::Error stopped(const Path& target) {
    return {.fault = Fault::unavailable,
            .message = "sustd stops; the copy is begun again by the next one",
            .where = target.string()};
}

Result<void> copy_by_hand(int from, int to, const Path& target, const std::stop_token& stop) {
    std::string piece(k_piece, '\0');
    while (!stop.stop_requested()) {
        const auto got = ::read(from, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return core::fail_errno("read the input " + target.string(), errno);
        }
        if (got == 0) {
            return {};
        }
        TRY(core::within(
            "write " + target.string(),
            core::write_all(to, std::string_view(piece).substr(0, static_cast<std::size_t>(got)))));
    }
    return tl::unexpected<core::Error>(stopped(target));
}

// Between file systems that cannot do it, the kernel says so before the first byte.
Result<void> copy(int from, int to, const Path& target, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto got = ::copy_file_range(from, nullptr, to, nullptr, k_range, 0);
        if (got == 0) {
            return {};
        }
        if (got > 0 || errno == EINTR) {
            continue;
        }
        if (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
            return copy_by_hand(from, to, target, stop);  // goes on from where both stand
        }
        return core::fail_errno("write " + target.string(), errno);
    }
    return tl::unexpected<core::Error>(stopped(target));
}

// The blob is read as ourselves, the copy made as the owner.
Result<void> stage_file(const Path& blob, const Path& target, const cluster::JobPlace& place,
                        const std::stop_token& stop) {
    const core::Fd from(::open(blob.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!from) {
        return core::fail_errno("open the blob " + blob.string(), errno);
    }
    const auto acting = TRY(core::ActAs::begin(place.owner));
    TRY(core::make_directories(target.parent_path(), 0700));
    const core::Fd to(
        ::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400));
    if (!to) {
        return core::fail_errno("create " + target.string(), errno);
    }
    return copy(from.get(), to.get(), target, stop);
}

}  // namespace

Result<void> stage_inputs(const std::map<std::string, store::Digest>& inputs,
                          const cluster::JobPlace& place, const store::Store& store,
                          const std::stop_token& stop) {
    TRY(unstage_inputs(place, {}, {}));
    for (const auto& [name, digest] : inputs) {
        for (const auto& file : TRY(core::within(name, store.files(digest)))) {
            TRY(core::within(name, store::check_file_path(file.path)));
            TRY(stage_file(store.blob_path(file.digest),
                           place.directory / cluster::k_inputs / name / file.path, place, stop));
        }
    }
    return {};
}

Result<void> unstage_inputs(const cluster::JobPlace& place,
                            const std::map<std::string, Path>& paths, const Path& workdir) {
    const auto acting = TRY(core::ActAs::begin(place.owner));
    cluster::remove_links(paths, place.directory, workdir);
    return core::remove_tree(place.directory / cluster::k_inputs);
}

}  // namespace sust::control
