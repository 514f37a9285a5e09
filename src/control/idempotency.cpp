#include "control/idempotency.h"

#include <algorithm>

#include "core/hash.h"

namespace sust::control {

using core::fail;
using core::Fault;
using core::Result;

namespace {

// A client that has not got its answer within a day does not wait for it any more.
constexpr auto k_kept_for = std::chrono::hours(24);
constexpr std::int64_t k_max_kept = 10'000;
constexpr std::size_t k_max_key = 128;

std::int64_t millis(core::WallTime time) {
    return time.time_since_epoch().count();
}

}  // namespace

Result<void> check_idempotency_key(std::string_view key) {
    const bool printable = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
    if (key.empty() || key.size() > k_max_key || !printable) {
        return fail(Fault::invalid, "an Idempotency-Key has 1 to 128 printable characters",
                    {.where = "Idempotency-Key"});
    }
    return {};
}

Result<std::optional<core::http::Response>> Answers::find(const std::string& scope,
                                                          const std::string& key,
                                                          const std::string& body) {
    const auto rows = TRY(database_->query(
        "SELECT request, status, body FROM answers WHERE key = ?", {scope + " " + key}));
    if (rows.empty()) {
        return std::optional<core::http::Response>();
    }
    if (rows[0].text(0) != core::sha256_hex(body)) {
        return fail(Fault::conflict, "this Idempotency-Key was used for another request",
                    {.where = "Idempotency-Key", .hint = "use a new key for a new request"});
    }
    auto answer = core::http::json_response(static_cast<int>(rows[0].integer(1)), rows[0].text(2));
    answer.headers.set("Idempotent-Replay", "true");
    return std::optional(std::move(answer));
}

Result<void> Answers::keep(const std::string& scope, const std::string& key,
                           const std::string& body, const core::http::Response& answer) {
    TRY(database_->execute(
        "INSERT INTO answers(key, request, status, body, made) VALUES(?, ?, ?, ?, ?)",
        {scope + " " + key, core::sha256_hex(body), std::int64_t{answer.status}, answer.body,
         millis(clock_->wall())}));
    return {};
}

Result<void> Answers::prune() {
    TRY(database_->execute("DELETE FROM answers WHERE made < ?",
                           {millis(clock_->wall() - k_kept_for)}));
    TRY(
        database_->execute("DELETE FROM answers WHERE key IN "
                           "(SELECT key FROM answers ORDER BY made DESC LIMIT -1 OFFSET ?)",
                           {k_max_kept}));
    return {};
}

}  // namespace sust::control
