#include "cluster/local_share.h"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "cluster/confinement.h"

namespace sust::cluster {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_last_words = 10s;  // from the end of the grace to that of the wrapper
constexpr Duration k_longest = std::chrono::hours(24 * 365);

Duration longest_of(const KeptJob& kept) {
    const auto& spec = kept.spec();
    return std::min(kept.time_limit().value_or(spec.time_limit), k_longest) +
           std::min(spec.stop_grace, k_longest) + k_last_words;
}

}  // namespace

LocalShare::~LocalShare() {
    context_.shares.leave(job_.status().token);
}

// --- Words -----------------------------------------------------------------------------------

// As its directory says it.
Claim LocalShare::claim_of_words() const {
    const auto& kept = job_.kept();
    std::error_code trouble;
    const auto written = std::filesystem::last_write_time(kept.directory().job(), trouble);
    return {.token = job_.status().token,
            .need = amount_of(kept.spec().shape),
            .priority = kept.spec().priority,
            .order = trouble ? 0 : written.time_since_epoch().count(),
            .longest = longest_of(kept)};
}

Path LocalShare::file() const {
    return context_.claims_of_others / (job_.status().token.value + ".json");
}

// A file of ours that is read or written while we act as the owner of the job.
Result<core::ActAs> LocalShare::act_as_ourselves() const {
    return core::ActAs::begin(core::Identity{.name = "root"});
}

Result<void> LocalShare::keep_claim() const {
    const auto acting = TRY(act_as_ourselves());
    TRY(core::make_directories(context_.claims_of_others, 0700));
    return core::write_file(
        file(),
        claim_text(
            {.claim = *claim_, .epoch = job_.status().epoch, .share = share_, .given = given_}),
        0600);
}

// --- Before anybody is given anything --------------------------------------------------------

void LocalShare::recall() {
    if (recalled_) {
        return;
    }
    const auto& token = job_.status().token;
    const auto known = job_.owner() ? recall_from_others() : recall_own();
    if (!known) {
        context_.shares.doubt(token);
        return;
    }
    recalled_ = true;
    context_.shares.leave(token);  // no doubt any more
    if (share_) {
        context_.shares.keep(token, *share_, longest_until());
    }
}

Result<void> LocalShare::recall_own() {
    if (!job_.kept().has_epoch()) {
        return core::fail(core::Fault::unavailable, "its attempt is not known");
    }
    share_ = TRY(read_share(job_.kept().files().share()));
    return {};
}

// The first time is when the job is submitted: what it says then is what counts.
Result<void> LocalShare::recall_from_others() {
    const auto word = TRY([&]() -> Result<std::optional<ClaimWord>> {
        const auto acting = TRY(act_as_ourselves());
        return read_claim(file(), job_.status().token);
    }());
    if (word) {
        claim_ = word->claim;
    }
    if (word && (word->epoch == job_.status().epoch || !job_.kept().has_epoch())) {
        share_ = word->share;
        given_ = word->given;
    } else if (job_.kept().has_epoch()) {
        renew();
    }
    return {};
}

// What it may still take of the machine's time, if an earlier controller began it.
core::MonoTime LocalShare::longest_until() const {
    const auto now = context_.clock.monotonic();
    if (claim_) {
        return now + claim_->longest - (context_.clock.wall() - given_);
    }
    if (!job_.kept().has_epoch()) {
        return now + k_longest;
    }
    const auto attempt =
        read_attempt(job_.kept().files(), job_.status().token, job_.status().epoch);
    return now + longest_of(job_.kept()) -
           (attempt && *attempt ? context_.clock.wall() - (*attempt)->started
                                : core::Duration::zero());
}

// --- Giving ----------------------------------------------------------------------------------

// It is on disk before the wrapper reads it, and the next controller.
std::optional<std::string> LocalShare::take() {
    if (share_) {
        return {};
    }
    const auto wanted = claim_ ? *claim_ : claim_of_words();
    if (context_.opening && wanted.need != Amount{}) {
        context_.shares.enter(wanted);
        return "its turn is found out";
    }
    std::string obstacle;
    auto share = context_.shares.ask(wanted, context_.clock.monotonic(), obstacle);
    if (!share) {
        return obstacle;
    }
    // A principal may not move its processes into a group of ours.
    share->cgroup = share->memory_bytes > 0 && !job_.owner() ? context_.cgroup : Path();
    if (auto kept = keep(*share); !kept) {
        context_.shares.leave(wanted.token);
        share_.reset();
        return core::to_string(kept.error());
    }
    return {};
}

// The wrapper's first: what the next controller finds in ours, the wrapper has. Who has nothing
// that is counted needs no word of it.
Result<void> LocalShare::keep(const Share& share) {
    if (share != Share{}) {
        TRY(core::write_file(job_.kept().files().share(), share_text(share), 0600));
    }
    share_ = share;
    given_ = context_.clock.wall();
    return claim_ && share != Share{} ? keep_claim() : Result<void>();
}

void LocalShare::give_back(const std::optional<AttemptWord>& attempt) {
    const auto& status = job_.status();
    context_.shares.leave(status.token);
    if (job_.owner()) {
        if (const auto acting = act_as_ourselves()) {
            std::error_code ignored;  // what stays is read by nobody: a token is one job
            std::filesystem::remove(file(), ignored);
        }
    }
    if (share_ && !share_->cgroup.empty() && attempt) {  // of a wrapper that was killed
        (void)::rmdir(
            (share_->cgroup / group_name(status.token, status.epoch, attempt->wrapper.pid))
                .c_str());
    }
}

void LocalShare::renew() {
    share_.reset();
    given_ = {};
    if (!job_.owner()) {
        recalled_ = false;
        return;
    }
    const auto longest = longest_of(job_.kept());
    claim_ = claim_ ? *claim_ : claim_of_words();
    claim_->longest = longest;
    if (const auto kept = keep_claim(); !kept) {
        context_.log.warn(
            "the claim of a job is known to this controller alone",
            {{"job", job_.status().token.value}, {"error", core::to_string(kept.error())}});
    }
}

bool LocalShare::is_overdue() const {
    return claim_ && share_ && given_ != core::WallTime{} &&
           context_.clock.wall() - given_ > claim_->longest + context_.overdue;
}

}  // namespace sust::cluster
