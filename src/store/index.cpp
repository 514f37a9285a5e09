#include "store/index.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/json.h"
#include "store/media_types.h"

namespace sust::store {

using core::fail;
using core::Fault;
using core::Result;

std::string Index::Entry::name() const {
    const auto found = descriptor.annotations.find(std::string(k_ref_name));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

Index::Index() : head_(fmt::format(R"({{"schemaVersion":2,"mediaType":"{}"}})", k_index_type)) {}

Result<Index> Index::parse(std::string_view text, const std::string& origin) {
    auto json = TRY(parse_object(text, origin));
    TRY(check_schema_version(json, origin));
    const auto manifests = json.find("manifests");
    if (manifests == json.end() || !manifests->is_array()) {
        return fail(Fault::invalid, "'manifests' is missing or no list", {origin});
    }
    Index index;
    for (std::size_t i = 0; i < manifests->size(); ++i) {
        const auto& entry = (*manifests)[i];
        const auto where = fmt::format("{}: manifests[{}]", origin, i);
        auto descriptor = TRY(descriptor_from(entry, where));
        index.entries_.push_back({std::move(descriptor), print_json(entry)});
    }
    json.erase("manifests");
    index.head_ = print_json(json);
    return index;
}

std::string Index::encode() const {
    std::string text = head_.substr(0, head_.size() - 1) + ",\"manifests\":[";
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        text += i == 0 ? "\n" : ",\n";  // a line per name, for people
        text += entries_[i].json;
    }
    return text + "]}\n";
}

std::optional<Descriptor> Index::find(std::string_view name) const {
    for (const auto& entry : entries_) {
        if (entry.name() == name) {
            return entry.descriptor;
        }
    }
    return std::nullopt;
}

void Index::set(std::string_view name, Descriptor descriptor) {
    erase(name);
    descriptor.annotations[std::string(k_ref_name)] = name;
    auto json = print_json(to_json(descriptor));
    entries_.push_back({std::move(descriptor), std::move(json)});
}

bool Index::erase(std::string_view name) {
    return std::erase_if(entries_, [&](const Entry& entry) { return entry.name() == name; }) > 0;
}

void Index::add(const Descriptor& descriptor) {
    const auto same = [&](const Entry& entry) {
        return entry.descriptor.digest == descriptor.digest;
    };
    if (std::none_of(entries_.begin(), entries_.end(), same)) {
        entries_.push_back({descriptor, print_json(to_json(descriptor))});
    }
}

}  // namespace sust::store
