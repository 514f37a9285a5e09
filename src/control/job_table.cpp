#include "control/job_table.h"

#include "core/text.h"

namespace sust::control {

using core::fail;
using core::Fault;

namespace {

constexpr std::string_view k_columns =
    "SELECT id, request, backend, phase, epoch, created, finished, course FROM jobs ";

core::WallTime time_of(std::int64_t milliseconds) {
    return core::WallTime{std::chrono::milliseconds(milliseconds)};
}

Result<Job> job_of(const core::SqlRow& row) {
    Job job{.id = row.text(0),
            .epoch = row.integer(4),
            .created = time_of(row.integer(5)),
            .finished = time_of(row.integer(6))};
    const auto table = TRY(core::TomlTable::from_json(row.text(1), "the kept job " + job.id));
    job.request = TRY(cluster::read_request(table));
    job.placement.backend = row.text(2);
    const auto phase = parse_job_phase(row.text(3));
    if (!phase) {
        return fail(Fault::internal, "the kept job " + job.id + " is in an unknown phase");
    }
    job.phase = *phase;
    TRY(decode_course(row.text(7), job));
    job.status.token.value = job.id;
    return job;
}

Result<std::vector<Job>> jobs_of(const std::vector<core::SqlRow>& rows) {
    std::vector<Job> jobs;
    for (const auto& row : rows) {
        jobs.push_back(TRY(job_of(row)));
    }
    return jobs;
}

}  // namespace

Result<void> JobTable::insert(const Job& job) {
    TRY(database_->execute(
        "INSERT INTO jobs (id, request, backend, phase, epoch, created, finished, active, course) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        {job.id, job.request.document, job.placement.backend, std::string(to_string(job.phase)),
         job.epoch, job.created.time_since_epoch().count(), job.finished.time_since_epoch().count(),
         std::int64_t{job.phase == JobPhase::ended ? 0 : 1}, encode_course(job)}));
    return {};
}

Result<void> JobTable::update(const Job& job) {
    const auto changed = TRY(database_->execute(
        "UPDATE jobs SET phase = ?, epoch = ?, finished = ?, active = ?, course = ? WHERE id = ?",
        {std::string(to_string(job.phase)), job.epoch, job.finished.time_since_epoch().count(),
         std::int64_t{job.phase == JobPhase::ended ? 0 : 1}, encode_course(job), job.id}));
    if (changed != 1) {
        return fail(Fault::internal, "the job " + job.id + " is gone from the database");
    }
    return {};
}

Result<void> JobTable::remove(std::string_view id) {
    TRY(database_->execute("DELETE FROM jobs WHERE id = ?", {std::string(id)}));
    return {};
}

Result<Job> JobTable::by_id(std::string_view id) {
    const auto rows =
        TRY(database_->query(std::string(k_columns) + "WHERE id = ?", {std::string(id)}));
    if (rows.empty()) {
        return fail(Fault::not_found, "no job '" + core::printable(id, 80) + "'",
                    {.hint = "sust job ls"});
    }
    return job_of(rows.front());
}

// Identifiers sort by time.
Result<std::vector<Job>> JobTable::list(std::string_view after, std::size_t limit) {
    return jobs_of(TRY(database_->query(
        std::string(k_columns) + "WHERE ?1 = '' OR id < ?1 ORDER BY id DESC LIMIT ?2",
        {std::string(after), static_cast<std::int64_t>(limit)})));
}

Result<std::vector<Job>> JobTable::active() {
    return jobs_of(TRY(database_->query(std::string(k_columns) + "WHERE active = 1 ORDER BY id")));
}

}  // namespace sust::control
