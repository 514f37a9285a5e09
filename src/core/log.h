#pragma once

// One line per decision. A Log is passed like the clock; there is no global logger.
// key=value for people, one JSON object per line for programs; ts level component msg first.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/result.h"

namespace sust::core {

enum class Level { debug, info, warn, error };
enum class LogForm { text, json };

struct Field {
    std::string_view key;
    std::string value;
};

// Cheap to copy; safe from every thread (a line is written with one write(2)).
class Log {
  public:
    // `fd` stays the caller's.
    Log(const Clock& clock, std::string component, int fd, LogForm form,
        Level lowest = Level::info);
    // JSON lines into a file that rotates at `max_bytes`, `kept` older ones beside it.
    static Log to_file(const Clock& clock, std::string component, const Path& path,
                       std::uint64_t max_bytes, int kept, Level lowest = Level::info);
    // Drops everything; for tests.
    static Log silent();

    // The same sink under another component, or with fields that every line carries.
    Log component(std::string name) const;
    Log with(std::string_view key, std::string value) const;

    void debug(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void info(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void warn(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void error(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void error(std::string_view message, const Error& error) const;

  private:
    struct Sink;
    Log() = default;
    void write(Level level, std::string_view message, std::initializer_list<Field> fields) const;

    std::shared_ptr<const Sink> sink_;
    std::string component_;
    std::vector<std::pair<std::string, std::string>> carried_;
};

}  // namespace sust::core
