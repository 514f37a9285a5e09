#pragma once

// SQLite with bound parameters only. One writer per process; WAL, busy timeout, foreign keys on.
// Used from one thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/file.h"
#include "core/result.h"

namespace sust::core {

using SqlValue = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

class SqlRow {
  public:
    std::int64_t integer(std::size_t column) const;  // 0 for null
    double number(std::size_t column) const;
    std::string text(std::size_t column) const;  // empty for null
    std::optional<std::string> optional_text(std::size_t column) const;
    std::optional<std::int64_t> optional_integer(std::size_t column) const;

    std::vector<SqlValue> values;
};

// One step of a module's schema. Steps are numbered from 1 by their place in the list; a released
// step never changes.
struct Migration {
    std::string_view sql;
};

class Database {
  public:
    // Creates the file (0600) if absent.
    static Result<Database> open(const Path& path);
    static Result<Database> open_in_memory();
    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;
    ~Database();

    // Brings the module's tables to the last step, each step in one transaction. A file from a
    // later version is refused with conflict, saying which step it has and which we know.
    Result<void> migrate(std::string_view module, std::span<const Migration> steps);

    // Statements are prepared once and kept.
    Result<std::vector<SqlRow>> query(std::string_view sql, std::vector<SqlValue> values = {});
    // The number of rows changed. A unique or foreign key that does not hold is conflict, a full
    // disk exhausted.
    Result<std::int64_t> execute(std::string_view sql, std::vector<SqlValue> values = {});

  private:
    struct Impl;

  public:
    // Rolls back at its end unless committed. begin() inside a transaction is a part of it that
    // can be rolled back alone; they end in the reverse order of their beginning.
    class Transaction {
      public:
        Transaction(Transaction&& other) noexcept;
        ~Transaction();
        Result<void> commit();

      private:
        friend class Database;
        explicit Transaction(Impl& impl) : impl_(&impl) {}
        Impl* impl_;
    };
    Result<Transaction> begin();

  private:
    explicit Database(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::core
