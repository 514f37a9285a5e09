#include "cluster/kubernetes/pod_log.h"

#include <algorithm>

#include "cluster/job_log.h"
#include "core/fd.h"

namespace sust::cluster::kubernetes {

using core::Fault;

namespace {

constexpr std::size_t k_tail = 4 << 10;
constexpr std::size_t k_log_bytes_max = 256 << 20;  // kubelets keep 10 MiB unless told otherwise

}  // namespace

std::size_t where_it_goes_on(std::string_view text, std::uint64_t kept, std::string_view tail) {
    if (kept <= text.size() &&
        text.substr(static_cast<std::size_t>(kept) - tail.size(), tail.size()) == tail) {
        return static_cast<std::size_t>(kept);
    }
    const auto found = text.rfind(tail);
    return found == std::string_view::npos ? 0 : found + tail.size();
}

Result<void> bring_log(Client& client, const std::string& path, const Path& file,
                       std::uint64_t max_bytes, const core::Log& log, Run run) {
    Query query{{"container", "main"}};
    if (run == Run::before) {
        query.emplace_back("previous", "true");
    }
    const auto text = client.text(path, query, k_log_bytes_max);
    if (!text) {
        // 400: its container has not begun.
        const auto fault = text.error().fault;
        return fault == Fault::not_found || fault == Fault::invalid
                   ? Result<void>()
                   : tl::unexpected<core::Error>(text.error());
    }
    const auto end = TRY(read_job_log(file, 0, 0)).end;
    const auto tail_size = std::min<std::uint64_t>(end, k_tail);
    const auto tail = TRY(read_job_log(file, end - tail_size, k_tail)).bytes;
    const auto rest = std::string_view(*text).substr(where_it_goes_on(*text, end, tail));
    if (rest.empty()) {
        return {};
    }
    auto kept = TRY(JobLog::open(file, max_bytes));
    TRY(core::write_all(kept.fd(), rest));
    kept.bound(log);
    return {};
}

void bring_last_lines(Client& client, const std::vector<LogSource>& sources, std::size_t max,
                      const core::Log& log) {
    constexpr int k_tries = 3;
    for (const auto& source : sources) {
        Result<void> brought;
        for (int i = 0; i < k_tries; ++i) {
            brought = bring_log(client, source.path, source.file, max, log);
            // In this order: it may be started again in between, and then says nothing more.
            if (brought && source.restarts) {
                brought = bring_log(client, source.path, source.file, max, log, Run::before);
            }
            if (brought) {
                break;
            }
        }
        if (!brought) {
            log.warn("the last lines of a job are lost",
                     {{"error", core::to_string(brought.error())}});
        }
    }
}

}  // namespace sust::cluster::kubernetes
