#include "core/sql.h"

#include <cerrno>
#include <unordered_map>

#include <fcntl.h>
#include <sqlite3.h>

namespace sust::core {

namespace {

// How long a statement waits for another process that has the file locked (a backup, a shell).
constexpr int k_busy_milliseconds = 5000;
// Statements are constants of our modules; this bound only catches text that is built by mistake.
constexpr std::size_t k_max_statements = 512;

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};

Fault fault_of(int code) {
    switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
            return Fault::conflict;
        case SQLITE_FULL:
        case SQLITE_NOMEM:
            return Fault::exhausted;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Fault::unavailable;
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_AUTH:
            return Fault::denied;
        case SQLITE_TOOBIG:
            return Fault::too_large;
        default:
            return Fault::internal;
    }
}

std::string hint_of(int code) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return "free some space on the disk (sust gc --dry-run shows what could go)";
        case SQLITE_BUSY:
            return "another program has the database locked; try again when it is done";
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
            return "restore the file from a backup, or move it away to begin with an empty one";
        default:
            return {};
    }
}

int bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        return sqlite3_bind_int64(statement, index, *integer);
    }
    if (const auto* number = std::get_if<double>(&value)) {
        return sqlite3_bind_double(statement, index, *number);
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
    }
    return sqlite3_bind_null(statement, index);
}

SqlValue column(sqlite3_stmt* statement, int index) {
    switch (sqlite3_column_type(statement, index)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(statement, index)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, index);
        case SQLITE_NULL:
            return nullptr;
        default: {
            const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, index));
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
            return bytes == nullptr ? std::string() : std::string(bytes, size);
        }
    }
}

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

}  // namespace

// --- Rows --------------------------------------------------------------------------------------

std::optional<std::int64_t> SqlRow::optional_integer(std::size_t index) const {
    const auto& value = values.at(index);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        return *integer;
    }
    if (const auto* real = std::get_if<double>(&value)) {
        return static_cast<std::int64_t>(*real);
    }
    return {};
}

std::int64_t SqlRow::integer(std::size_t index) const {
    return optional_integer(index).value_or(0);
}

double SqlRow::number(std::size_t index) const {
    const auto* real = std::get_if<double>(&values.at(index));
    return real != nullptr ? *real : static_cast<double>(integer(index));
}

std::optional<std::string> SqlRow::optional_text(std::size_t index) const {
    const auto* text_value = std::get_if<std::string>(&values.at(index));
    return text_value != nullptr ? std::optional(*text_value) : std::nullopt;
}

std::string SqlRow::text(std::size_t index) const {
    return optional_text(index).value_or(std::string());
}

// --- Database ----------------------------------------------------------------------------------

struct Database::Impl {
    std::string name;
    std::unique_ptr<sqlite3, Close> handle;
    // After the handle, so that statements end before it does.
    std::unordered_map<std::string, Statement, TextHash, std::equal_to<>> statements{};
    int depth = 0;  // of nested transactions

    tl::unexpected<Error> failure(int code, std::string_view sql) const {
        std::string message = sqlite3_errmsg(handle.get());
        if (!sql.empty()) {
            message += " (" + std::string(sql.substr(0, 80)) + ")";
        }
        return fail(fault_of(code), std::move(message), {.where = name, .hint = hint_of(code)});
    }

    Result<void> run(const std::string& script) {
        const int code = sqlite3_exec(handle.get(), script.c_str(), nullptr, nullptr, nullptr);
        if (code != SQLITE_OK) {
            return failure(code, script);
        }
        return {};
    }

    Result<sqlite3_stmt*> prepare(std::string_view sql) {
        if (const auto found = statements.find(sql); found != statements.end()) {
            return found->second.get();
        }
        sqlite3_stmt* raw = nullptr;
        const int code = sqlite3_prepare_v3(handle.get(), sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
        if (code != SQLITE_OK || raw == nullptr) {
            return failure(code, sql);
        }
        if (statements.size() >= k_max_statements) {
            statements.clear();
        }
        return statements.emplace(sql, Statement(raw)).first->second.get();
    }

    Result<std::vector<SqlRow>> step_all(sqlite3_stmt* statement, std::string_view sql) {
        std::vector<SqlRow> rows;
        const int columns = sqlite3_column_count(statement);
        while (true) {
            const int code = sqlite3_step(statement);
            if (code == SQLITE_DONE) {
                return rows;
            }
            if (code != SQLITE_ROW) {
                return failure(code, sql);
            }
            SqlRow row;
            for (int i = 0; i < columns; ++i) {
                row.values.push_back(column(statement, i));
            }
            rows.push_back(std::move(row));
        }
    }

    Result<std::vector<SqlRow>> query(std::string_view sql, const std::vector<SqlValue>& values) {
        auto* statement = TRY(prepare(sql));
        const struct Reset {
            sqlite3_stmt* statement;
            ~Reset() {
                sqlite3_reset(statement);
                sqlite3_clear_bindings(statement);
            }
        } reset{statement};
        if (sqlite3_bind_parameter_count(statement) != static_cast<int>(values.size())) {
            return fail(Fault::internal, "a statement has another number of values than places",
                        {.where = std::string(sql)});
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (const int code = bind(statement, static_cast<int>(i) + 1, values[i]);
                code != SQLITE_OK) {
                return failure(code, sql);
            }
        }
        return step_all(statement, sql);
    }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

namespace {
Result<std::unique_ptr<sqlite3, Close>> open_handle(const std::string& name) {
    sqlite3* raw = nullptr;
    const int code =
        sqlite3_open_v2(name.c_str(), &raw,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<sqlite3, Close> handle(raw);
    if (code != SQLITE_OK) {
        return fail(fault_of(code), raw != nullptr ? sqlite3_errmsg(raw) : "out of memory",
                    {.where = name});
    }
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, k_busy_milliseconds);
    return handle;
}
}  // namespace

Result<Database> Database::open(const Path& path) {
    // SQLite would create it with the process's umask, and gives its side files the mode of it.
    const Fd made(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!made) {
        return fail_errno("open database " + path.native(), errno);
    }
    auto handle = TRY(open_handle(path.native()));
    auto impl = std::make_unique<Impl>(Impl{path.native(), std::move(handle)});
    // FULL: a transaction that was answered for is there after a power cut.
    TRY(
        impl->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                  "PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=16777216;"));
    return Database(std::move(impl));
}

Result<Database> Database::open_in_memory() {
    auto handle = TRY(open_handle(":memory:"));
    auto impl = std::make_unique<Impl>(Impl{":memory:", std::move(handle)});
    TRY(impl->run("PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"));
    return Database(std::move(impl));
}

Result<void> Database::migrate(std::string_view module, std::span<const Migration> steps) {
    TRY(
        impl_->run("CREATE TABLE IF NOT EXISTS migrations"
                   "(module TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT"));
    const auto rows =
        TRY(query("SELECT step FROM migrations WHERE module = ?", {std::string(module)}));
    const auto have = rows.empty() ? 0 : rows.front().integer(0);
    const auto known = static_cast<std::int64_t>(steps.size());
    if (have > known) {
        return fail(Fault::conflict,
                    "the database is from a later version: its tables of '" + std::string(module) +
                        "' are at step " + std::to_string(have) + ", this program knows " +
                        std::to_string(known),
                    {.where = impl_->name, .hint = "run the newer program that wrote it"});
    }
    for (auto step = have; step < known; ++step) {
        auto transaction = TRY(begin());
        TRY(within("migration " + std::to_string(step + 1) + " of " + std::string(module),
                   impl_->run(std::string(steps[static_cast<std::size_t>(step)].sql))));
        TRY(
            execute("INSERT INTO migrations(module, step) VALUES(?, ?) "
                    "ON CONFLICT(module) DO UPDATE SET step = excluded.step",
                    {std::string(module), step + 1}));
        TRY(transaction.commit());
    }
    return {};
}

Result<std::vector<SqlRow>> Database::query(std::string_view sql, std::vector<SqlValue> values) {
    return impl_->query(sql, values);
}

Result<std::int64_t> Database::execute(std::string_view sql, std::vector<SqlValue> values) {
    TRY(impl_->query(sql, values));
    return std::int64_t{sqlite3_changes64(impl_->handle.get())};
}

// --- Transactions ------------------------------------------------------------------------------

Result<Database::Transaction> Database::begin() {
    // A module's own transaction inside a caller's is a savepoint of it.
    TRY(impl_->run(impl_->depth == 0 ? "BEGIN IMMEDIATE"
                                     : "SAVEPOINT level" + std::to_string(impl_->depth)));
    ++impl_->depth;
    return Transaction(*impl_);
}

Database::Transaction::Transaction(Transaction&& other) noexcept
    : impl_(std::exchange(other.impl_, nullptr)) {}

Result<void> Database::Transaction::commit() {
    const int outer = impl_->depth - 1;
    TRY(impl_->run(outer == 0 ? "COMMIT" : "RELEASE level" + std::to_string(outer)));
    impl_->depth = outer;
    impl_ = nullptr;
    return {};
}

Database::Transaction::~Transaction() {
    if (impl_ == nullptr) {
        return;
    }
    const int outer = --impl_->depth;
    // SQLite rolls back by itself after some errors, such as a full disk.
    if (sqlite3_get_autocommit(impl_->handle.get()) != 0) {
        return;
    }
    const auto level = "level" + std::to_string(outer);
    (void)impl_->run(outer == 0 ? "ROLLBACK" : "ROLLBACK TO " + level + "; RELEASE " + level);
}

}  // namespace sust::core
