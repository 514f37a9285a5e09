#include "cluster/fence.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/plain_file.h"
#include "core/sync.h"

namespace sust::cluster {

using core::fail;
using core::Fault;

namespace {

constexpr int k_format = 1;
constexpr std::size_t k_fence_bytes_max = 1024;

Path fence_file(const Path& job_directory) {
    return job_directory / "fence.json";
}

std::string fence_text(std::int64_t epoch) {
    return fmt::format("{{\"format\":{},\"epoch\":{}}}\n", k_format, epoch);
}

Result<core::FileLock> lock(const Path& job_directory, const core::Deadline& deadline) {
    return core::FileLock::acquire(job_directory / "fence.lock", deadline);
}

}  // namespace

Result<std::int64_t> read_fence(const Path& job_directory) {
    const auto path = fence_file(job_directory);
    const auto found = TRY(core::read_plain_file_if_any(path, k_fence_bytes_max));
    if (!found) {
        return fail(Fault::not_found, "there is no fence", {.where = path.string()});
    }
    const auto& bytes = *found;
    const auto document = nlohmann::json::parse(bytes, nullptr, false);
    if (!document.is_object() || document.value("format", nlohmann::json()) != k_format ||
        !document.contains("epoch") || !document["epoch"].is_number_integer() ||
        document["epoch"].get<std::int64_t>() < 1) {
        return fail(Fault::invalid, "is no fence that this program can read",
                    {.where = path.string()});
    }
    return document["epoch"].get<std::int64_t>();
}

Result<void> draft_fence(const Path& job_directory) {
    const auto now = read_fence(job_directory);
    if (now && *now > 1) {
        return fail(Fault::conflict, fmt::format("the fence is at epoch {}", *now),
                    {.where = job_directory.string()});
    }
    return core::write_unsynced(fence_file(job_directory), fence_text(1), 0644);
}

Result<void> raise_fence(const Path& job_directory, std::int64_t epoch,
                         const core::Deadline& deadline) {
    const auto held = TRY(lock(job_directory, deadline));
    const auto now = read_fence(job_directory);
    if (!now && now.error().fault != Fault::not_found) {
        return tl::unexpected(now.error());
    }
    if (now && *now >= epoch) {
        return *now == epoch ? Result<void>()
                             : fail(Fault::conflict, fmt::format("the fence is at epoch {}", *now),
                                    {.where = job_directory.string()});
    }
    return core::write_file(fence_file(job_directory), fence_text(epoch));
}

Result<core::FileLock> hold_fence(const Path& job_directory, std::int64_t epoch,
                                  const core::Deadline& deadline) {
    auto held = TRY(lock(job_directory, deadline));
    const auto now = TRY(read_fence(job_directory));
    if (now != epoch) {
        return fail(Fault::conflict,
                    fmt::format("attempt {} may not commit: attempt {} took its place", epoch, now),
                    {.where = job_directory.string()});
    }
    return held;
}

}  // namespace sust::cluster
