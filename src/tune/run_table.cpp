#include "tune/run_table.h"

#include "tune/run_document.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Migration;
using core::Result;

namespace {

// Columns are what is asked for or changes on its own; the rest is two documents, of which the
// first is written once.
constexpr Migration k_migrations[] = {
    {R"sql(
CREATE TABLE runs (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    recipe   TEXT NOT NULL,
    name     TEXT NOT NULL,
    created  INTEGER NOT NULL,
    inputs   TEXT NOT NULL,
    phase    TEXT NOT NULL,
    stage    TEXT NOT NULL,
    epoch    INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    active   INTEGER NOT NULL,
    course   TEXT NOT NULL
) STRICT
)sql"},
    {"CREATE INDEX runs_active ON runs (id) WHERE active = 1"},
};

constexpr std::string_view k_columns =
    "SELECT id, kind, recipe, name, created, inputs, phase, stage, epoch, finished, course "
    "FROM runs ";

core::WallTime time_of(std::int64_t milliseconds) {
    return core::WallTime{std::chrono::milliseconds(milliseconds)};
}

Result<Run> run_of(const core::SqlRow& row) {
    Run run{.id = row.text(0),
            .kind = row.text(1) == to_string(RunKind::tune) ? RunKind::tune : RunKind::evaluation,
            .recipe = row.text(2),
            .name = row.text(3),
            .epoch = row.integer(8),
            .created = time_of(row.integer(4)),
            .finished = time_of(row.integer(9))};
    const auto phase = parse_phase(row.text(6));
    const auto stage = parse_stage(row.text(7));
    if (!phase || !stage) {
        return fail(Fault::internal, "the kept run " + run.id + " is in an unknown phase or stage");
    }
    run.phase = *phase;
    run.stage = *stage;
    TRY(decode_inputs(row.text(5), run));
    TRY(decode_course(row.text(10), run));
    return run;
}

Result<std::vector<Run>> runs_of(const std::vector<core::SqlRow>& rows) {
    std::vector<Run> runs;
    for (const auto& row : rows) {
        runs.push_back(TRY(run_of(row)));
    }
    return runs;
}

std::string text(std::string_view value) {
    return std::string(value);
}

}  // namespace

Result<RunTable> RunTable::open(core::Database& database) {
    TRY(database.migrate("tune", k_migrations));
    return RunTable(database);
}

Result<void> RunTable::insert(const Run& run) {
    TRY(database_->execute(
        "INSERT INTO runs (id, kind, recipe, name, created, inputs, phase, stage, epoch, "
        "finished, active, course) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        {run.id, text(to_string(run.kind)), run.recipe, run.name,
         run.created.time_since_epoch().count(), encode_inputs(run), text(to_string(run.phase)),
         text(to_string(run.stage)), run.epoch, run.finished.time_since_epoch().count(),
         std::int64_t{is_final(run.phase) ? 0 : 1}, encode_course(run)}));
    return {};
}

Result<void> RunTable::update(const Run& run) {
    const auto changed = TRY(database_->execute(
        "UPDATE runs SET phase = ?, stage = ?, epoch = ?, finished = ?, active = ?, course = ? "
        "WHERE id = ?",
        {text(to_string(run.phase)), text(to_string(run.stage)), run.epoch,
         run.finished.time_since_epoch().count(), std::int64_t{is_final(run.phase) ? 0 : 1},
         encode_course(run), run.id}));
    if (changed != 1) {
        return fail(Fault::internal, "the run " + run.id + " is gone from the database");
    }
    return {};
}

Result<void> RunTable::remove(std::string_view id) {
    TRY(database_->execute("DELETE FROM runs WHERE id = ?", {std::string(id)}));
    return {};
}

Result<std::optional<Run>> RunTable::by_id(std::string_view id) {
    const auto rows =
        TRY(database_->query(std::string(k_columns) + "WHERE id = ?", {std::string(id)}));
    if (rows.empty()) {
        return std::optional<Run>();
    }
    return std::optional(TRY(run_of(rows.front())));
}

// Identifiers sort by time.
Result<std::vector<Run>> RunTable::list(std::string_view after, std::size_t limit) {
    return runs_of(TRY(database_->query(
        std::string(k_columns) + "WHERE ?1 = '' OR id < ?1 ORDER BY id DESC LIMIT ?2",
        {std::string(after), static_cast<std::int64_t>(limit)})));
}

Result<std::vector<Run>> RunTable::active() {
    return runs_of(TRY(database_->query(std::string(k_columns) + "WHERE active = 1 ORDER BY id")));
}

}  // namespace sust::tune
