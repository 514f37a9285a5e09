#include "core/result.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace sust::core {
namespace {

struct FaultRow {
    Fault fault;
    std::string_view name;
    int exit_code;
    int http_status;
};

constexpr std::array k_faults{
    FaultRow{Fault::invalid, "invalid", 2, 400},
    FaultRow{Fault::denied, "denied", 3, 403},
    FaultRow{Fault::not_found, "not_found", 4, 404},
    FaultRow{Fault::conflict, "conflict", 5, 409},
    FaultRow{Fault::unavailable, "unavailable", 6, 503},
    FaultRow{Fault::timeout, "timeout", 7, 504},
    FaultRow{Fault::exhausted, "exhausted", 8, 507},
    FaultRow{Fault::too_large, "too_large", 9, 413},
    FaultRow{Fault::internal, "internal", 70, 500},
};

const FaultRow& row(Fault fault) {
    for (const auto& r : k_faults) {
        if (r.fault == fault) {
            return r;
        }
    }
    return k_faults.back();
}

Fault fault_of_errno(int code) {
    switch (code) {
        case ENOENT:
        case ENOTDIR:
            return Fault::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return Fault::denied;
        case EEXIST:
        case EADDRINUSE:
        case EBUSY:
        case ENOTEMPTY:
            return Fault::conflict;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return Fault::exhausted;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
            return Fault::unavailable;
        case ETIMEDOUT:
            return Fault::timeout;
        case ENAMETOOLONG:
        case EISDIR:
        case EINVAL:
            return Fault::invalid;
        default:
            return Fault::internal;
    }
}

}  // namespace

std::string_view to_string(Fault fault) {
    return row(fault).name;
}
int exit_code(Fault fault) {
    return row(fault).exit_code;
}
int http_status(Fault fault) {
    return row(fault).http_status;
}

Fault fault_of_http_status(int status) {
    switch (status) {
        case 401:
            return Fault::denied;
        case 408:
            return Fault::timeout;
        case 429:
            return Fault::exhausted;
        case 502:
            return Fault::unavailable;
        default:
            break;
    }
    for (const auto& r : k_faults) {
        if (r.http_status == status) {
            return r.fault;
        }
    }
    return status >= 500 ? Fault::internal : Fault::invalid;
}

std::string to_string(const Error& error) {
    std::string text;
    if (!error.where.empty()) {
        text += error.where + ": ";
    }
    text += error.message;
    if (!error.hint.empty()) {
        text += " (" + error.hint + ")";
    }
    return text;
}

tl::unexpected<Error> fail_errno(std::string_view doing, int code) {
    return fail(fault_of_errno(code),
                std::string(doing) + ": " + std::generic_category().message(code));
}

}  // namespace sust::core
