#include "control/migrations.h"

#include <array>

namespace sust::control {

namespace {

constexpr std::array k_steps{core::Migration{R"(
CREATE TABLE answers(
    key TEXT PRIMARY KEY,       -- of the request, with who asked and what
    request TEXT NOT NULL,      -- digest of its body
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    made INTEGER NOT NULL       -- milliseconds since 1970
) STRICT;
CREATE INDEX answers_by_age ON answers(made);
CREATE TABLE datasets(
    digest TEXT PRIMARY KEY,    -- of the manifest
    facts TEXT NOT NULL         -- what the check found, as JSON; made again from the bytes if lost
) STRICT;
CREATE TABLE ledger_files(
    name TEXT PRIMARY KEY,
    read INTEGER NOT NULL       -- bytes that are counted in `usage`
) STRICT;
CREATE TABLE usage(
    key TEXT PRIMARY KEY,
    requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    last TEXT NOT NULL
) STRICT;
)"},
                             core::Migration{R"(
CREATE TABLE jobs(
    id TEXT PRIMARY KEY,
    request TEXT NOT NULL,      -- as it was said, JSON
    backend TEXT NOT NULL,
    phase TEXT NOT NULL,
    epoch INTEGER NOT NULL,     -- of the attempt that is wanted
    created INTEGER NOT NULL,   -- milliseconds since 1970
    finished INTEGER NOT NULL,
    active INTEGER NOT NULL,
    course TEXT NOT NULL        -- attempts and wishes, JSON
) STRICT;
CREATE INDEX jobs_active ON jobs(id) WHERE active = 1;
)"}};

}  // namespace

core::Result<void> migrate(core::Database& database) {
    return database.migrate("control", k_steps);
}

}  // namespace sust::control
