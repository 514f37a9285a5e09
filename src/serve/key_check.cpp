#include "serve/key_check.h"

#include "core/text.h"
#include "serve/limits.h"

namespace sust::serve {

namespace {

constexpr std::string_view k_scheme = "bearer ";
constexpr std::size_t k_max_key_bytes = 256;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view bearer(std::string_view authorization) {
    if (authorization.size() <= k_scheme.size()) {
        return {};
    }
    for (std::size_t i = 0; i < k_scheme.size(); ++i) {
        if (lower(authorization[i]) != k_scheme[i]) {
            return {};
        }
    }
    return core::trim(authorization.substr(k_scheme.size()));
}

// "sust_<id>" of "sust_<id>_<secret>_<checksum>"; not secret, so it may be looked up by hash.
std::string_view public_part(std::string_view text) {
    const auto first = text.find('_');
    return first == std::string_view::npos ? text : text.substr(0, text.find('_', first + 1));
}

}  // namespace

const tenancy::Key* KeyCheck::check(const std::shared_ptr<const View>& view,
                                    std::string_view authorization) {
    if (view != view_) {
        known_.clear();
        view_ = view;
    }
    const auto text = bearer(authorization);
    if (text.empty() || text.size() > k_max_key_bytes) {
        return nullptr;
    }
    const auto name = public_part(text);
    if (const auto found = known_.find(name);
        found != known_.end() && core::equal_constant_time(found->second.text, text)) {
        return found->second.key;
    }
    const auto id = tenancy::key_id(text);
    const auto* key = id ? view->key(*id) : nullptr;
    if (key == nullptr || !tenancy::matches(*key, *secret_, text)) {
        return nullptr;
    }
    if (known_.size() >= k_key_cache) {
        known_.clear();
    }
    known_.insert_or_assign(std::string(name), Known{std::string(text), key});
    return key;
}

}  // namespace sust::serve
