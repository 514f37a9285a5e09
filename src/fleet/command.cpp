#include "fleet/command.h"

#include <nlohmann/json.hpp>

#include "core/places.h"
#include "core/text.h"
#include "fleet/template.h"

namespace sust::fleet {

using core::fail;
using core::Fault;

namespace {

constexpr const char* k_inside = "/sust/model";

std::string base_inside(const Engine& engine) {
    return std::string(k_inside) + "/base." + engine.model_format;
}

// Files are known inside by number: a name of a model never reaches a command line.
std::string adapter_inside(const Engine& engine, std::size_t index) {
    return std::string(k_inside) + "/adapter-" + std::to_string(index) + "." + engine.model_format;
}

Result<std::string> adapter_list(const Engine& engine, const EngineInputs& inputs) {
    std::vector<std::string> items;
    for (std::size_t i = 0; i < inputs.adapters.size(); ++i) {
        auto item = TRY(expand(engine.command.adapter, {{"path", adapter_inside(engine, i)},
                                                        {"index", std::to_string(i)},
                                                        {"name", inputs.adapters[i].name}}));
        items.push_back(std::move(item));
    }
    return core::join(items, engine.command.adapter_separator);
}

Result<std::vector<std::string>> expand_argv(const Engine& engine, const EngineInputs& inputs) {
    const Words words{
        {"socket", std::string(k_socket_inside) + "/" + k_engine_socket},
        {"base", base_inside(engine)},
        {"alias", inputs.alias},
        {"context", std::to_string(inputs.context)},
        {"context_total", std::to_string(std::int64_t{inputs.context} * inputs.slots)},
        {"slots", std::to_string(inputs.slots)},
        {"threads", std::to_string(inputs.threads)}};
    std::vector<std::string> argv;
    for (const auto& word : engine.command.argv) {
        argv.push_back(TRY(expand(word, words)));
    }
    if (inputs.adapters.empty()) {
        return argv;
    }
    Words with_adapters = words;
    with_adapters["adapters"] = TRY(adapter_list(engine, inputs));
    for (const auto& word : engine.command.adapters_argv) {
        argv.push_back(TRY(expand(word, with_adapters)));
    }
    return argv;
}

// A name inside a JSON text, without the quotes around it.
std::string json_escaped(const std::string& name) {
    const std::string quoted = nlohmann::json(name).dump();
    return quoted.substr(1, quoted.size() - 2);
}

Result<std::vector<serve::ServedModel>> served_models(const Engine& engine,
                                                      const EngineInputs& inputs) {
    std::vector<serve::ServedModel> models;
    models.push_back({.name = inputs.base_name,
                      .engine_name = inputs.alias,
                      .select_json = inputs.adapters.empty() ? "{}" : engine.select.base});
    for (std::size_t i = 0; i < inputs.adapters.size(); ++i) {
        const auto& name = inputs.adapters[i].name;
        auto select = TRY(expand(engine.select.adapter,
                                 {{"index", std::to_string(i)}, {"name", json_escaped(name)}}));
        models.push_back(
            {.name = name, .engine_name = inputs.alias, .select_json = std::move(select)});
    }
    return models;
}

}  // namespace

Result<EngineCommand> engine_command(const Engine& engine, const EngineInputs& inputs) {
    EngineCommand command;
    command.environment = engine.environment;
    command.argv = TRY(expand_argv(engine, inputs));
    command.socket = inputs.socket_folder / k_engine_socket;
    command.models = TRY(served_models(engine, inputs));
    command.mounts.push_back(
        {.source = inputs.base, .target = base_inside(engine), .read_only = true});
    for (std::size_t i = 0; i < inputs.adapters.size(); ++i) {
        command.mounts.push_back({.source = inputs.adapters[i].file,
                                  .target = adapter_inside(engine, i),
                                  .read_only = true});
    }
    command.mounts.push_back({.source = inputs.socket_folder, .target = k_socket_inside});
    for (const auto& mount : command.mounts) {
        // "SOURCE:TARGET[:ro]" has no way to write a ':' inside a path.
        if (mount.source.native().find(':') != std::string::npos) {
            return fail(Fault::invalid, "a path with ':' cannot be mounted",
                        {.where = mount.source.native(),
                         .hint = "choose a data and run directory without ':' in its path"});
        }
    }
    return command;
}

std::vector<std::string> run_argv(const std::vector<std::string>& runner,
                                  const EngineCommand& command) {
    std::vector<std::string> argv = runner;
    argv.insert(argv.end(), {"--environment", command.environment});
    for (const auto& mount : command.mounts) {
        argv.insert(argv.end(), {"--mount", mount.source.native() + ":" + mount.target.native() +
                                                (mount.read_only ? ":ro" : "")});
    }
    argv.push_back("--");
    argv.insert(argv.end(), command.argv.begin(), command.argv.end());
    return argv;
}

Result<Path> socket_folder(const Path& wanted, uid_t uid) {
    const Path socket = TRY(core::socket_path(wanted / k_engine_socket, uid));
    return socket == wanted / k_engine_socket ? wanted : Path(socket).replace_extension(".d");
}

}  // namespace sust::fleet
