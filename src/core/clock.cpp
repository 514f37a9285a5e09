#include "core/clock.h"

#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace sust::core {

WallTime SystemClock::wall() const {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

MonoTime SystemClock::monotonic() const {
    return std::chrono::steady_clock::now();
}

Duration Deadline::left() const {
    const auto left = std::chrono::ceil<Duration>(at_ - clock_->monotonic());
    return std::max(left, Duration::zero());
}

std::string rfc3339(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

Result<WallTime> parse_rfc3339(std::string_view text) {
    const std::string copy(text.substr(0, 40));
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, end = 0;
    double second = 0;
    const int fields = std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%6lfZ%n", &year, &month, &day,
                                   &hour, &minute, &second, &end);
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    const bool whole = fields == 6 && end > 0 && static_cast<std::size_t>(end) == text.size();
    const bool in_range =
        hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 61;
    if (!whole || !date.ok() || !in_range) {
        return fail(Fault::invalid, "'" + copy + "' is not a time",
                    {.hint = "write it as 2026-01-31T23:59:59.000Z"});
    }
    const auto millis = Duration(std::llround(second * 1000));
    return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
           std::chrono::minutes(minute) + millis;
}

}  // namespace sust::core
