#include "control/routes.h"

#include <optional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "tune/run.h"

namespace sust::control {
namespace {

using nlohmann::json;

json openapi() {
    const auto text =
        core::read_file(core::Path(SUST_SOURCE_DIR) / "docs/protocol/openapi.json", 1 << 20);
    return json::parse(text.value());
}

std::string key_of(const Route& route) {
    auto method = std::string(route.method);
    for (auto& c : method) {
        c = static_cast<char>(c + 32);
    }
    return method + " " + std::string(route.pattern);
}

std::set<std::string> documented_query(const json& operation) {
    std::set<std::string> names;
    for (const auto& parameter : operation.value("parameters", json::array())) {
        if (parameter.value("in", "") == "query") {
            names.insert(parameter["name"].get<std::string>());
        }
    }
    return names;
}

bool documents_idempotency(const json& operation) {
    for (const auto& parameter : operation.value("parameters", json::array())) {
        if (parameter.value("$ref", "") == "#/components/parameters/IdempotencyKey") {
            return true;
        }
    }
    return false;
}

TEST(Routes, AreExactlyThoseOfTheOpenApiFile) {
    const auto document = openapi();
    std::set<std::string> documented;
    for (const auto& [path, methods] : document["paths"].items()) {
        for (const auto& [method, operation] : methods.items()) {
            documented.insert(method + " " + path);
        }
    }
    std::set<std::string> built;
    for (const auto& route : routes()) {
        EXPECT_TRUE(built.insert(key_of(route)).second) << key_of(route) << " is there twice";
    }
    EXPECT_EQ(built, documented);
}

TEST(Routes, HaveTheSummaryQueryAndEffectThatTheOpenApiFileSays) {
    const auto document = openapi();
    for (const auto& route : routes()) {
        const auto key = key_of(route);
        const auto& operation =
            document["paths"][std::string(route.pattern)][key.substr(0, key.find(' '))];
        EXPECT_EQ(operation.value("summary", ""), route.summary) << key;
        EXPECT_EQ(documented_query(operation),
                  (std::set<std::string>(route.query.begin(), route.query.end())))
            << key;
        EXPECT_EQ(documents_idempotency(operation), route.effect == Effect::creates) << key;
    }
}

TEST(Routes, EveryReferenceOfTheOpenApiFileExists) {
    const auto document = openapi();
    const std::function<void(const json&)> look = [&](const json& node) {
        if (node.is_object() && node.contains("$ref")) {
            const auto pointer = node["$ref"].get<std::string>().substr(1);
            EXPECT_TRUE(document.contains(json::json_pointer(pointer))) << pointer;
        }
        for (const auto& child : node) {
            if (child.is_structured()) {
                look(child);
            }
        }
    };
    look(document);
}

TEST(Routes, TheStatesOfARunInTheOpenApiFileAreThoseOfTheTable) {
    std::set<std::string> shown;
    for (const auto& transition : tune::transitions()) {
        for (const auto phase : {std::optional(transition.from), transition.to}) {
            tune::Run run;
            run.phase = phase.value_or(transition.from);
            const json told = run;
            shown.insert(told["state"].get<std::string>());
            EXPECT_EQ(told["final"], tune::is_final(run.phase)) << told["state"];
        }
    }
    const auto documented =
        openapi()["components"]["schemas"]["Run"]["properties"]["state"]["enum"];
    EXPECT_EQ(shown, documented.get<std::set<std::string>>());
}

TEST(Routes, OnlyHealthIsOpen) {
    for (const auto& route : routes()) {
        EXPECT_EQ(route.access == Access::open, route.pattern == "/healthz") << route.pattern;
    }
}

TEST(Routes, AreFoundByMethodAndPath) {
    const auto found = match("GET", {"api", "v1", "models", "a/b", "lineage"});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->route->pattern, "/api/v1/models/{name}/lineage");
    EXPECT_EQ(found->names.at("name"), "a/b");
    EXPECT_EQ(match("HEAD", {"healthz"})->route->method, "GET");
    EXPECT_EQ(match("PATCH", {"api", "v1", "keys"}).error().allowed, "POST, GET");
    EXPECT_EQ(match("GET", {"api", "v2"}).error().allowed, "");
    EXPECT_FALSE(match("GET", {"api", "v1", "models", ""}));
    EXPECT_FALSE(match("GET", {}));
}

}  // namespace
}  // namespace sust::control
