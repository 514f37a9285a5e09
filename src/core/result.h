#pragma once

// Errors are values. A fallible function returns Result<T>; a caller passes the error on with
// TRY, or with CO_TRY inside a coroutine. Exceptions end at the edge of a library that throws.

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

namespace sust::core {

// What the caller will do about it; each maps to one exit code and one HTTP status.
enum class Fault {
    invalid,      // the input is wrong; change it
    denied,       // not allowed, or not known who asks
    not_found,    // the named thing is absent
    conflict,     // the thing is in another state, or in use
    unavailable,  // try again later
    timeout,      // a deadline passed
    exhausted,    // quota, disk, queue: a limit is reached
    too_large,    // the input is over its size limit
    internal,     // a defect of ours, or of the machine
};

std::string_view to_string(Fault fault);
int exit_code(Fault fault);
int http_status(Fault fault);
// The fault that an HTTP status stands for; statuses below 400 are a caller's mistake.
Fault fault_of_http_status(int status);

// `message` says what went wrong, `where` the file, line or field, `hint` the next step.
struct Error {
    Fault fault = Fault::internal;
    std::string message;
    std::string where;
    std::string hint;

    bool operator==(const Error&) const = default;
};

// One line for a terminal or a log: "where: message (hint)".
std::string to_string(const Error& error);

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  public:
    using tl::expected<T, Error>::expected;
};

struct Place {
    std::string where;
    std::string hint;
};

// return fail(Fault::not_found, "no model 'x'", {.hint = "sust model ls shows what exists"});
inline tl::unexpected<Error> fail(Fault fault, std::string message, Place place = {}) {
    return tl::unexpected<Error>(
        Error{fault, std::move(message), std::move(place.where), std::move(place.hint)});
}

// The fault that errno `code` calls for, with the system's words: "open /x: No such file".
tl::unexpected<Error> fail_errno(std::string_view doing, int code);

// Puts the place in front: within("reading node list", r) gives "reading node list: ...".
template <class T>
Result<T> within(std::string_view place, Result<T> result) {
    if (!result) {
        result.error().message.insert(0, std::string(place) + ": ");
    }
    return result;
}

// --- Mechanism of TRY ------------------------------------------------------------------------

namespace detail {
template <class T>
T take(Result<T>&& result) {
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}
}  // namespace detail

}  // namespace sust::core

#define SUST_CONCAT_INNER(a, b) a##b
#define SUST_CONCAT(a, b) SUST_CONCAT_INNER(a, b)

// auto value = TRY(parse(text));   The counter keeps nested uses from shadowing each other.
// Not inside the braces that build an object or list: when it returns there, g++ 12 leaks the
// members built before. Name the value first.
#define TRY(...) SUST_TRY_IMPL(SUST_CONCAT(sust_try_, __COUNTER__), __VA_ARGS__)
#define SUST_TRY_IMPL(name, ...)                                                   \
    __extension__({                                                                \
        auto name = (__VA_ARGS__);                                                 \
        if (!name) {                                                               \
            return ::tl::unexpected<::sust::core::Error>(std::move(name).error()); \
        }                                                                          \
        ::sust::core::detail::take(std::move(name));                               \
    })

// CO_TRY(value, co_await read(socket));   g++ 12 fails on co_return in a statement expression.
#define CO_TRY(name, ...) CO_TRY_IMPL(name, SUST_CONCAT(sust_co_try_, __COUNTER__), __VA_ARGS__)
#define CO_TRY_IMPL(name, held, ...)                                              \
    auto held = (__VA_ARGS__);                                                    \
    if (!held) {                                                                  \
        co_return ::tl::unexpected<::sust::core::Error>(std::move(held).error()); \
    }                                                                             \
    [[maybe_unused]] auto name = std::move(*held)

// CO_CHECK(co_await send(socket, text));   The same for a Result<void>.
#define CO_CHECK(...) CO_CHECK_IMPL(SUST_CONCAT(sust_co_check_, __COUNTER__), __VA_ARGS__)
#define CO_CHECK_IMPL(held, ...)                                                  \
    auto held = (__VA_ARGS__);                                                    \
    if (!held) {                                                                  \
        co_return ::tl::unexpected<::sust::core::Error>(std::move(held).error()); \
    }                                                                             \
    static_cast<void>(0)
