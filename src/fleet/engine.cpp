#include "fleet/engine.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/toml.h"
#include "fleet/template.h"

namespace sust::fleet {

using core::fail;
using core::Fault;
using core::TomlTable;

namespace {

constexpr int k_format = 1;
// An engine file is a page of text; ten of them would still be small.
constexpr std::size_t k_file_bytes_max = 256 << 10;

tl::unexpected<core::Error> fail_at(const TomlTable& table, std::string_view key,
                                    std::string message, std::string hint = {}) {
    return fail(Fault::invalid, std::string(key) + ": " + std::move(message),
                {.where = table.where(key), .hint = std::move(hint)});
}

Result<std::vector<std::string>> required_words(const TomlTable& table, std::string_view key,
                                                const Words& known) {
    auto words = TRY(table.texts(key));
    if (words.empty()) {
        return fail_at(table, key, "a list of words is required");
    }
    for (const auto& word : words) {
        if (const auto expanded = expand(word, known); !expanded) {
            return fail_at(table, key, expanded.error().message, expanded.error().hint);
        }
    }
    return words;
}

// Text that must be a JSON object once its placeholders are filled.
Result<std::string> required_object(const TomlTable& table, std::string_view key,
                                    const Words& known) {
    auto text = TRY(table.required_text(key));
    const auto expanded = expand(text, known);
    if (!expanded) {
        return fail_at(table, key, expanded.error().message, expanded.error().hint);
    }
    if (!nlohmann::json::parse(*expanded, nullptr, false).is_object()) {
        return fail_at(table, key, "not a JSON object: " + core::printable(*expanded));
    }
    return text;
}

Result<std::string> required_url_path(const TomlTable& table, std::string_view key) {
    auto path = TRY(table.required_text(key));
    if (!path.starts_with('/') || path.find_first_of(" \r\n\t") != std::string::npos) {
        return fail_at(table, key, "a path such as \"/health\" is required");
    }
    return path;
}

struct DurationRange {
    Duration least;
    Duration most;
};

Result<Duration> required_duration(const TomlTable& table, std::string_view key,
                                   DurationRange range) {
    const auto value = TRY(table.duration(key));
    if (!value) {
        return fail_at(table, key, "a duration such as \"2s\" is required");
    }
    if (*value < range.least || *value > range.most) {
        return fail_at(table, key,
                       "between " + core::format_duration(range.least) + " and " +
                           core::format_duration(range.most) + ", not " +
                           core::format_duration(*value));
    }
    return *value;
}

Result<TomlTable> required_table(const TomlTable& table, std::string_view key) {
    auto inner = TRY(table.table(key));
    if (!inner) {
        return fail_at(table, key, "the table [" + std::string(key) + "] is required");
    }
    return *inner;
}

bool contains_word(const std::vector<std::string>& words, std::string_view placeholder) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
        return word.find(placeholder) != std::string::npos;
    });
}

Result<Engine::Command> parse_command(const TomlTable& root) {
    const TomlTable table = TRY(required_table(root, "command"));
    const Words known{{"socket", "s"},        {"base", "b"},  {"alias", "a"},  {"context", "1"},
                      {"context_total", "1"}, {"slots", "1"}, {"threads", "1"}};
    Words with_adapters = known;
    with_adapters["adapters"] = "x";
    Engine::Command command;
    command.argv = TRY(required_words(table, "argv", known));
    command.adapters_argv = TRY(required_words(table, "adapters_argv", with_adapters));
    command.adapter = TRY(table.required_text("adapter"));
    command.adapter_separator = TRY(table.required_text("adapter_separator"));
    for (const auto* needed : {"{socket}", "{base}"}) {
        if (!contains_word(command.argv, needed)) {
            return fail_at(table, "argv", std::string("does not use ") + needed);
        }
    }
    if (!contains_word(command.adapters_argv, "{adapters}")) {
        return fail_at(table, "adapters_argv", "does not use {adapters}");
    }
    if (!contains_word({command.adapter}, "{path}")) {
        return fail_at(table, "adapter", "does not use {path}");
    }
    if (const auto one = expand(command.adapter, {{"path", ""}, {"index", ""}, {"name", ""}});
        !one) {
        return fail_at(table, "adapter", one.error().message, one.error().hint);
    }
    TRY(table.no_other_keys());
    return command;
}

Result<Engine::Select> parse_select(const TomlTable& root) {
    const TomlTable table = TRY(required_table(root, "select"));
    Engine::Select select;
    select.base = TRY(required_object(table, "base", {}));
    select.adapter = TRY(required_object(table, "adapter", {{"index", "0"}, {"name", "x"}}));
    TRY(table.no_other_keys());
    return select;
}

Result<Engine::Probe> parse_probe(const TomlTable& root) {
    using namespace std::chrono_literals;
    const TomlTable table = TRY(required_table(root, "probe"));
    Engine::Probe probe;
    probe.health = TRY(required_url_path(table, "health"));
    probe.slots = TRY(required_url_path(table, "slots"));
    probe.busy_field = TRY(table.required_text("busy_field"));
    probe.metrics = TRY(required_url_path(table, "metrics"));
    probe.warm_path = TRY(required_url_path(table, "warm_path"));
    probe.warm_body = TRY(required_object(table, "warm_body", {}));
    probe.every = TRY(required_duration(table, "every", {100ms, 60s}));
    probe.timeout = TRY(required_duration(table, "timeout", {100ms, 60s}));
    probe.failures = static_cast<int>(TRY(table.required_integer("failures")));
    probe.ready_within = TRY(required_duration(table, "ready_within", {1s, 24h}));
    probe.sick_for = TRY(required_duration(table, "sick_for", {1s, 24h}));
    if (probe.failures < 1 || probe.failures > 100) {
        return fail_at(table, "failures", "between 1 and 100");
    }
    TRY(table.no_other_keys());
    return probe;
}

Result<void> parse_stop_and_requests(const TomlTable& root, Engine& engine) {
    using namespace std::chrono_literals;
    const TomlTable stop = TRY(required_table(root, "stop"));
    engine.stop_grace = TRY(required_duration(stop, "grace", {100ms, 10min}));
    TRY(stop.no_other_keys());
    const TomlTable requests = TRY(required_table(root, "requests"));
    engine.private_fields = TRY(requests.texts("private_fields"));
    engine.unsupported = TRY(requests.texts("unsupported"));
    const auto counter = TRY(requests.text("prompt_counter"));
    if (counter && *counter != "llama-server") {
        return fail_at(requests, "prompt_counter", "unknown: " + core::printable(*counter),
                       "known: llama-server; without it a token is counted for four bytes");
    }
    engine.prompt_counter =
        counter ? serve::PromptCounter::llama_server : serve::PromptCounter::none;
    return requests.no_other_keys();
}

}  // namespace

Result<Engine> parse_engine(std::string_view text, const std::string& origin) {
    const TomlTable root = TRY(TomlTable::parse(text, origin));
    if (const auto format = TRY(root.required_integer("format")); format != k_format) {
        return fail_at(root, "format",
                       "this program reads format " + std::to_string(k_format) + ", the file is " +
                           std::to_string(format),
                       "use the engine files that came with this version");
    }
    Engine engine;
    engine.name = TRY(root.required_text("name"));
    engine.summary = TRY(root.required_text("summary"));
    engine.environment = TRY(root.required_text("environment"));
    engine.model_format = TRY(root.required_text("model_format"));
    engine.command = TRY(parse_command(root));
    engine.select = TRY(parse_select(root));
    engine.probe = TRY(parse_probe(root));
    TRY(core::within(root.where("name"), core::check_name("engine name", engine.name)));
    TRY(core::within(root.where("model_format"),
                     core::check_name("model format", engine.model_format)));
    TRY(parse_stop_and_requests(root, engine));
    TRY(root.no_other_keys());
    return engine;
}

Result<Engines> load_engines(const Path& folder) {
    std::error_code code;
    std::vector<Path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
        if (entry.path().extension() == ".toml") {
            files.push_back(entry.path());
        }
    }
    if (code) {
        return core::fail_errno("read the engine files in " + folder.native(), code.value());
    }
    std::sort(files.begin(), files.end());
    Engines engines;
    for (const auto& file : files) {
        auto engine =
            TRY(parse_engine(TRY(core::read_file(file, k_file_bytes_max)), file.native()));
        if (engine.name != file.stem()) {
            return fail(Fault::invalid, "the engine's name is '" + engine.name + "'",
                        {.where = file.native(), .hint = "name the file " + engine.name + ".toml"});
        }
        engines.emplace(engine.name, std::move(engine));
    }
    return engines;
}

Result<const Engine*> find_engine(const Engines& engines, std::string_view name) {
    if (const auto found = engines.find(std::string(name)); found != engines.end()) {
        return &found->second;
    }
    std::vector<std::string> names;
    for (const auto& [key, engine] : engines) {
        names.push_back(key);
    }
    const auto near = core::nearest(name, names);
    return fail(Fault::not_found, "no engine '" + core::printable(name) + "'",
                {.hint = (near ? "did you mean '" + *near + "'? " : std::string()) +
                         "engines: " + core::join(names, ", ")});
}

}  // namespace sust::fleet
