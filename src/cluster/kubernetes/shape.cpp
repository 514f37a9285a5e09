#include "cluster/kubernetes/shape.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/toml.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;
using core::TomlTable;
using nlohmann::json;

namespace {

constexpr std::size_t k_file_bytes_max = 64 << 10;
constexpr std::size_t k_files_max = 64;  // of one folder
constexpr int k_depth_max = 16;
constexpr std::size_t k_values_max = 1000;  // of one template
constexpr std::int64_t k_format = 1;
constexpr std::array<std::string_view, 4> k_blanks = {"name", "nodes", "deadline_seconds", "pod"};

core::Error wrong(const TomlTable& table, std::string_view key, std::string message,
                  std::string hint) {
    return {.fault = Fault::invalid,
            .message = std::move(message),
            .where = table.where(key),
            .hint = std::move(hint)};
}

// What goes into paths: a group has dots, the others have none.
Result<std::string> word(const TomlTable& table, std::string_view key, std::string_view also) {
    auto text = TRY(table.required_text(key));
    const bool fine = !text.empty() && text.size() <= 253 && text.front() != '.' &&
                      std::all_of(text.begin(), text.end(), [&](char letter) {
                          return (letter >= 'a' && letter <= 'z') ||
                                 (letter >= '0' && letter <= '9') ||
                                 also.find(letter) != std::string_view::npos;
                      });
    if (!fine) {
        return tl::unexpected<core::Error>(
            wrong(table, key, fmt::format("'{}' is no {} of an API", core::printable(text), key),
                  "as `kubectl api-resources` shows it"));
    }
    return text;
}

struct Field {
    std::string map;  // labels or annotations
    std::string key;
};
std::optional<Field> parse_path(std::string_view path) {
    for (const std::string_view map : {"labels", "annotations"}) {
        const auto before = fmt::format("metadata.{}['", map);
        if (path.starts_with(before) && path.ends_with("']") && path.size() > before.size() + 2) {
            const auto key = path.substr(before.size(), path.size() - before.size() - 2);
            if (key.find('\'') == std::string_view::npos) {
                return Field{std::string(map), std::string(key)};
            }
        }
    }
    return std::nullopt;
}

// The name in each ${...} of a text, in order.
std::vector<std::string> blanks_of(std::string_view text) {
    std::vector<std::string> names;
    for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2)) {
        const auto end = text.find('}', at);
        // One without an end keeps its "${", and so is none that is known.
        names.emplace_back(end == std::string_view::npos ? text.substr(at)
                                                         : text.substr(at + 2, end - at - 2));
    }
    return names;
}

// Walks the values of the object, for errors that know their line.
class Blanks {
  public:
    Result<void> read(const TomlTable& table, int depth) {
        if (depth > k_depth_max) {
            return tl::unexpected<core::Error>(
                wrong(table, "", "it is too deep", fmt::format("{} at most", k_depth_max)));
        }
        for (const auto& key : table.keys()) {
            TRY(read_value(table, key, depth));
        }
        return {};
    }
    bool has_pod() const { return has_pod_; }

  private:
    Result<void> read_value(const TomlTable& table, const std::string& key, int depth) {
        if (++values_ > k_values_max) {
            return tl::unexpected<core::Error>(wrong(table, key, "it has too many values",
                                                     fmt::format("{} at most", k_values_max)));
        }
        const auto value = json::parse(TRY(table.json(key)).value_or("null"));
        if (value.is_object()) {
            const auto inner = TRY(table.table(key));
            return read(*inner, depth + 1);
        }
        if (value.is_array() && !value.empty() && value.front().is_object()) {
            for (const auto& inner : TRY(table.tables(key))) {
                TRY(read(inner, depth + 1));
            }
            return {};
        }
        return read_texts(table, key, value, depth);
    }

    Result<void> read_texts(const TomlTable& table, const std::string& key, const json& value,
                            int depth) {
        if (depth > k_depth_max) {
            return tl::unexpected<core::Error>(
                wrong(table, key, "it is too deep", fmt::format("{} at most", k_depth_max)));
        }
        if (value.is_structured()) {
            for (const auto& one : value) {
                TRY(read_texts(table, key, one, depth + 1));
            }
        }
        if (!value.is_string()) {
            return {};
        }
        const auto& text = value.get_ref<const std::string&>();
        for (const auto& name : blanks_of(text)) {
            if (std::find(k_blanks.begin(), k_blanks.end(), name) == k_blanks.end()) {
                return tl::unexpected<core::Error>(
                    wrong(table, key, fmt::format("there is no ${{{}}}", core::printable(name, 40)),
                          fmt::format("these are there: {}", fmt::join(k_blanks, ", "))));
            }
            if (name == "pod" && text != "${pod}") {
                return tl::unexpected<core::Error>(
                    wrong(table, key, "${pod} is no part of a text", "let it be the whole value"));
            }
            has_pod_ = has_pod_ || name == "pod";
        }
        return {};
    }

    bool has_pod_ = false;
    std::size_t values_ = 0;
};

Result<void> read_server(const TomlTable& table, Shape& shape) {
    const auto text = TRY(table.text("server")).value_or("1.0");
    const auto minor = core::parse_integer(text.starts_with("1.") ? text.substr(2) : "");
    if (!minor || *minor < 0 || *minor > 999) {
        return tl::unexpected<core::Error>(
            wrong(table, "server",
                  fmt::format("'{}' is no version of Kubernetes", core::printable(text, 40)),
                  "\"1.22\""));
    }
    shape.server_minor = static_cast<int>(*minor);
    return {};
}

Result<void> read_needs(const TomlTable& table, Shape& shape) {
    const auto format = TRY(table.required_integer("format"));
    if (format != k_format) {
        return tl::unexpected<core::Error>(wrong(table, "format",
                                                 fmt::format("format {} is not known", format),
                                                 fmt::format("{} is", k_format)));
    }
    shape.group = TRY(word(table, "group", ".-"));
    shape.version = TRY(word(table, "version", ""));
    shape.resource = TRY(word(table, "resource", ""));
    shape.kind = TRY(table.required_text("kind"));
    TRY(read_server(table, shape));
    shape.next = TRY(table.text("next")).value_or("say shape = \"pods\", which needs nothing");
    const auto automatic = TRY(table.integer("auto")).value_or(0);
    if (automatic < 0 || automatic > 1000) {
        return tl::unexpected<core::Error>(
            wrong(table, "auto", "it is out of range", "0 (never) to 1000"));
    }
    shape.automatic = static_cast<int>(automatic);
    return {};
}

Result<void> read_pods(const TomlTable& table, Shape& shape) {
    shape.rank = TRY(table.required_text("rank"));
    if (!parse_path(shape.rank)) {
        return tl::unexpected<core::Error>(
            wrong(table, "rank", "a rank is in a label or an annotation",
                  "\"metadata.annotations['KEY']\" or \"metadata.labels['KEY']\""));
    }
    shape.without = TRY(table.texts("without"));
    shape.pod = TRY(table.json("pod")).value_or("{}");
    const auto pod = json::parse(shape.pod);
    if (!pod.is_object()) {
        return tl::unexpected<core::Error>(wrong(table, "pod", "it is no table", "[pod]"));
    }
    if (shape.pod.find("${") != std::string::npos) {
        return tl::unexpected<core::Error>(
            wrong(table, "pod", "nothing is filled in here", "${...} is of [object]"));
    }
    // The wrapper is ours: what may differ is how a controller wants its pods.
    for (const auto* key : {"containers", "initContainers", "volumes", "serviceAccountName"}) {
        const bool left_out =
            std::find(shape.without.begin(), shape.without.end(), key) != shape.without.end();
        if (pod.contains(key) || left_out) {
            return tl::unexpected<core::Error>(wrong(table, left_out ? "without" : "pod",
                                                     fmt::format("{} are not a template's", key),
                                                     "the job and backends.toml decide them"));
        }
    }
    return {};
}

// Of a text that is one blank the value of its own type.
json filled(const std::string& text, const Filling& filling, const json& pod) {
    if (text == "${nodes}") {
        return filling.nodes;
    }
    if (text == "${deadline_seconds}") {
        return filling.deadline_seconds;
    }
    if (text == "${pod}") {
        return pod;
    }
    std::string whole;
    std::size_t from = 0;
    for (auto at = text.find("${"); at != std::string::npos; at = text.find("${", from)) {
        const auto end = text.find('}', at);
        if (end == std::string::npos) {
            break;  // the parser lets none pass
        }
        const auto name = text.substr(at + 2, end - at - 2);
        whole += text.substr(from, at - from);
        whole += name == "name"    ? filling.name
                 : name == "nodes" ? std::to_string(filling.nodes)
                                   : std::to_string(filling.deadline_seconds);
        from = end + 1;
    }
    return whole + text.substr(from);
}

void fill_in(json& value, const Filling& filling, const json& pod) {
    if (value.is_string()) {
        value = filled(value.get<std::string>(), filling, pod);
        return;
    }
    if (value.is_structured()) {
        for (auto& inner : value) {
            fill_in(inner, filling, pod);
        }
    }
}

}  // namespace

Result<Shape> parse_shape(std::string_view text, const std::string& name,
                          const std::string& origin) {
    if (text.size() > k_file_bytes_max) {
        return fail(Fault::too_large, "a template is longer than 64 KiB", {.where = origin});
    }
    const auto table = TRY(TomlTable::parse(text, origin));
    Shape shape{.name = name, .origin = origin};
    TRY(read_needs(table, shape));
    TRY(read_pods(table, shape));
    const auto object = TRY(table.table("object"));
    if (!object) {
        return tl::unexpected<core::Error>(
            wrong(table, "object", "it has no [object]", "the object around ${pod}"));
    }
    for (const auto* key : {"apiVersion", "kind", "status"}) {
        if (object->has(key)) {
            return tl::unexpected<core::Error>(wrong(*object, key,
                                                     fmt::format("{} is not said here", key),
                                                     "it follows from group, version and kind"));
        }
    }
    Blanks blanks;
    TRY(blanks.read(*object, 0));
    if (!blanks.has_pod()) {
        return tl::unexpected<core::Error>(wrong(table, "object", "it has no ${pod}",
                                                 "where its controller wants a pod template"));
    }
    shape.object = object->json();
    TRY(table.no_other_keys());
    return shape;
}

Result<std::vector<Shape>> load_shapes(const std::vector<Path>& folders) {
    std::map<std::string, Shape> found;
    for (const auto& folder : folders) {
        std::vector<Path> files;
        std::error_code code;
        for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
            if (entry.path().extension() == ".toml") {
                files.push_back(entry.path());
            }
            if (files.size() > k_files_max) {
                return fail(Fault::too_large, fmt::format("more than {} templates", k_files_max),
                            {.where = folder.string()});
            }
        }
        for (const auto& file : files) {
            const auto name = file.stem().string();
            TRY(core::within(file.string(), core::check_name("name of a shape", name)));
            if (name == k_pods || name == k_auto) {
                return fail(Fault::invalid, fmt::format("'{}' is no name of a template", name),
                            {.where = file.string(), .hint = "give the file another name"});
            }
            const auto text = TRY(core::read_file(file, k_file_bytes_max));
            found.try_emplace(name, TRY(parse_shape(text, name, file.string())));
        }
    }
    std::vector<Shape> shapes;
    for (auto& [name, shape] : found) {
        shapes.push_back(std::move(shape));
    }
    return shapes;
}

json fill(const Shape& shape, const Filling& filling, const json& pod, const json& metadata) {
    auto object = json::parse(shape.object);
    fill_in(object, filling, pod);
    object["apiVersion"] = shape.api();
    object["kind"] = shape.kind;
    if (!object["metadata"].is_object()) {
        object["metadata"] = json::object();
    }
    object["metadata"].merge_patch(metadata);
    return object;
}

std::string text_at_path(const json& pod, std::string_view path) {
    const auto field = parse_path(path);
    const auto* value = &pod;
    if (!field) {
        return "";
    }
    for (const auto& key : {std::string("metadata"), field->map, field->key}) {
        const auto found = value->is_object() ? value->find(key) : value->end();
        if (!value->is_object() || found == value->end()) {
            return "";
        }
        value = &*found;
    }
    return value->is_string() ? value->get<std::string>().substr(0, 256) : "";
}

const Shape* find_shape(const std::vector<Shape>& shapes, std::string_view name) {
    const auto found = std::find_if(shapes.begin(), shapes.end(),
                                    [&](const Shape& shape) { return shape.name == name; });
    return found == shapes.end() ? nullptr : &*found;
}

std::string names_of(const std::vector<Shape>& shapes) {
    auto names = fmt::format("{}, {}", k_pods, k_auto);
    for (const auto& shape : shapes) {
        names += ", " + shape.name;
    }
    return names;
}

}  // namespace sust::cluster::kubernetes
