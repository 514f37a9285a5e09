#include "serve/request_edit.h"

#include <algorithm>

namespace sust::serve {

using core::fail;
using core::Fault;
using core::Result;

namespace {

constexpr std::string_view k_model = "model";
constexpr std::string_view k_stream = "stream";
constexpr std::string_view k_stream_options = "stream_options";
constexpr std::string_view k_include_usage = "include_usage";

// Two members of one name: we would read one and the engine the other.
Result<void> check_single(std::string_view body, const std::vector<JsonMember>& members,
                          std::string_view name) {
    const auto count = std::count_if(members.begin(), members.end(), [&](const JsonMember& member) {
        return member_name(body, member) == name;
    });
    if (count > 1) {
        return fail(Fault::invalid, "'" + std::string(name) + "' is there more than once",
                    {.where = std::string(name)});
    }
    return {};
}

tl::unexpected<core::Error> wrong_type(std::string_view field, std::string_view wanted) {
    return fail(Fault::invalid, "'" + std::string(field) + "' must be " + std::string(wanted),
                {.where = std::string(field)});
}

// An optional boolean; null is as good as absent.
Result<bool> boolean(std::string_view body, const std::vector<JsonMember>& members,
                     std::string_view name, std::string_view shown) {
    const auto* member = find_member(body, members, name);
    if (member == nullptr || member->kind == JsonKind::null) {
        return false;
    }
    if (member->kind != JsonKind::boolean) {
        return wrong_type(shown, "true or false");
    }
    return body[member->value.begin] == 't';
}

Result<UsageWish> usage_wish(std::string_view body, const RequestFacts& facts) {
    const auto* options = find_member(body, facts.members, k_stream_options);
    if (options == nullptr || options->kind == JsonKind::null) {
        return UsageWish::drop;
    }
    if (options->kind != JsonKind::object) {
        return wrong_type(k_stream_options, "an object");
    }
    const auto inner = members_of(body, options->value);
    TRY(check_single(body, inner, k_include_usage));
    const bool wanted = TRY(boolean(body, inner, k_include_usage, "stream_options.include_usage"));
    return wanted ? UsageWish::pass : UsageWish::drop;
}

struct Change {
    Span replaced;
    std::string by;
};

std::string apply(std::string_view body, std::vector<Change> changes) {
    std::sort(changes.begin(), changes.end(),
              [](const Change& a, const Change& b) { return a.replaced.begin < b.replaced.begin; });
    std::size_t size = body.size();
    for (const auto& change : changes) {
        size += change.by.size();
    }
    std::string out;
    out.reserve(size);
    std::size_t at = 0;
    for (const auto& change : changes) {
        out.append(body, at, change.replaced.begin - at);
        out += change.by;
        at = change.replaced.end;
    }
    return out.append(body, at);
}

// So that usage comes at the end of the stream; nothing if the client asked for it already.
void ask_for_usage(std::string_view body, const RequestFacts& facts, std::string& after_model,
                   std::vector<Change>& changes) {
    if (!facts.stream || facts.usage == UsageWish::pass) {
        return;
    }
    const auto* options = find_member(body, facts.members, k_stream_options);
    if (options == nullptr) {
        after_model += R"(,"stream_options":{"include_usage":true})";
        return;
    }
    if (options->kind == JsonKind::null) {
        changes.push_back({options->value, R"({"include_usage":true})"});
        return;
    }
    const auto inner = members_of(body, options->value);
    if (const auto* include = find_member(body, inner, k_include_usage)) {
        changes.push_back({include->value, "true"});
        return;
    }
    const auto at = options->value.begin + 1;
    changes.push_back(
        {{at, at}, inner.empty() ? R"("include_usage":true)" : R"("include_usage":true,)"});
}

}  // namespace

Result<RequestFacts> inspect_request(std::string_view body) {
    RequestFacts facts;
    facts.members = TRY(scan_object(body));
    for (auto name : {k_model, k_stream, k_stream_options}) {
        TRY(check_single(body, facts.members, name));
    }
    const auto* model = find_member(body, facts.members, k_model);
    if (model == nullptr) {
        return fail(Fault::invalid, "you must provide a model parameter", {.where = "model"});
    }
    if (model->kind != JsonKind::string) {
        return wrong_type(k_model, "a string");
    }
    facts.model = unquote(model->value.in(body));
    facts.stream = TRY(boolean(body, facts.members, k_stream, k_stream));
    facts.usage = TRY(usage_wish(body, facts));
    return facts;
}

std::optional<std::string> private_field(std::string_view body, const RequestFacts& facts,
                                         const std::vector<std::string>& private_fields) {
    for (const auto& member : facts.members) {
        auto name = member_name(body, member);
        if (std::find(private_fields.begin(), private_fields.end(), name) != private_fields.end()) {
            return name;
        }
    }
    return std::nullopt;
}

std::string edit_request(std::string_view body, const RequestFacts& facts,
                         const ServedModel& model) {
    std::vector<Change> changes;
    std::string after_model = quote(model.engine_name);
    const auto select = std::string_view(model.select_json);
    const auto open = select.find('{');
    const auto close = select.rfind('}');
    if (open != std::string_view::npos && select.find('"') != std::string_view::npos) {
        after_model += ',';
        after_model += select.substr(open + 1, close - open - 1);
    }
    ask_for_usage(body, facts, after_model, changes);
    const auto* member = find_member(body, facts.members, k_model);
    changes.push_back({member->value, std::move(after_model)});
    return apply(body, std::move(changes));
}

}  // namespace sust::serve
