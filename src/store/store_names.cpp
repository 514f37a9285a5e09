#include <algorithm>

#include <fmt/format.h>

#include "core/text.h"
#include "store/media_types.h"
#include "store/store_impl.h"
#include "store/users.h"

// The part of Store that deals with names.

namespace sust::store {

using core::fail;
using core::Fault;

namespace {

std::string_view command_that_lists(Kind kind) {
    switch (kind) {
        case Kind::dataset:
            return "sust data ls";
        case Kind::image:
            return "sust image ls";
        default:
            return "sust model ls";
    }
}

// Models and adapters are both model names: either may take the other's.
bool share_names(Kind a, Kind b) {
    const auto is_model = [](Kind kind) { return kind == Kind::model || kind == Kind::adapter; };
    return a == b || (is_model(a) && is_model(b));
}

std::string_view article(Kind kind) {
    return kind == Kind::adapter || kind == Kind::image || kind == Kind::other ? "an" : "a";
}

}  // namespace

Result<void> Store::set_name(std::string_view name, const Digest& digest) {
    TRY(core::check_model_name(name));
    const auto held = TRY(impl_->layout->lock());
    const auto read = TRY(manifest(digest));
    TRY(core::within(digest.str(), impl_->artifacts.check_complete(read)));
    auto index = TRY(impl_->names.read());
    if (const auto before = index.find(name)) {
        const auto kind = impl_->artifacts.look_at(std::string(name), *before).kind;
        if (!share_names(kind, read.kind())) {
            return fail(
                Fault::conflict,
                fmt::format("'{}' is the name of {} {}", name, article(kind), to_string(kind)),
                {.hint = "choose another name, or remove that one first"});
        }
    }
    index.set(name, TRY(impl_->artifacts.describe(digest)));
    return impl_->names.write(index, held);
}

Result<std::optional<Digest>> Store::resolve(std::string_view name) const {
    if (auto digest = Digest::parse(name)) {
        return has_blob(*digest) ? std::optional(std::move(*digest)) : std::nullopt;
    }
    const auto found = TRY(impl_->names.read()).find(name);
    return found ? std::optional(found->digest) : std::nullopt;
}

Result<Digest> Store::require(std::string_view name, Kind kind) const {
    const auto digest = TRY(resolve(name));
    const auto shown = core::printable(name);
    if (digest) {
        const auto found = TRY(manifest(*digest)).kind();
        if (found == kind) {
            return *digest;
        }
        return fail(Fault::not_found,
                    fmt::format("'{}' is {} {}, not {} {}", shown, article(found), to_string(found),
                                article(kind), to_string(kind)),
                    {.hint = fmt::format("{} shows what exists", command_that_lists(kind))});
    }
    std::vector<std::string> candidates;
    for (const auto& named : TRY(list(kind))) {
        candidates.push_back(named.name);
    }
    const auto near = core::nearest(name, candidates);
    const auto meant = near ? fmt::format("did you mean '{}'? ", *near) : std::string();
    return fail(Fault::not_found, fmt::format("no {} '{}'", to_string(kind), shown),
                {.hint = fmt::format("{}{} shows what exists", meant, command_that_lists(kind))});
}

Result<std::vector<Named>> Store::list(std::optional<Kind> kind) const {
    std::vector<Named> all;
    const auto index = TRY(impl_->names.read());
    for (const auto& entry : index.entries()) {
        const auto name = entry.name();
        if (name.empty() || subject_of_tag(name)) {
            continue;
        }
        auto named = impl_->artifacts.look_at(name, entry.descriptor);
        if (!kind || named.kind == *kind) {
            all.push_back(std::move(named));
        }
    }
    std::sort(all.begin(), all.end(),
              [](const Named& a, const Named& b) { return a.name < b.name; });
    return all;
}

Result<void> Store::remove_name(std::string_view name) {
    const auto held = TRY(impl_->layout->lock());
    auto index = TRY(impl_->names.read());
    const auto found = index.find(name);
    if (!found || subject_of_tag(name)) {
        return fail(Fault::not_found, fmt::format("no artifact '{}'", core::printable(name)));
    }
    std::vector<std::string> in_use_by;
    for (const auto& user : TRY(users(found->digest))) {
        in_use_by.push_back(user.text);
    }
    if (!in_use_by.empty()) {
        return fail(
            Fault::conflict, fmt::format("'{}' is in use by {}", name, core::join(in_use_by, ", ")),
            {.hint = "first: sust tune rm RUN, sust serve rm SERVICE or sust model rm ADAPTER"});
    }
    index.erase(name);
    return impl_->names.write(index, held);
}

Result<std::vector<User>> Store::users(const Digest& manifest) const {
    return users_of(*this, manifest);
}

}  // namespace sust::store
