#include "fleet/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.h"

namespace sust::fleet {
namespace {

using testing::HasSubstr;

Engines engines() {
    return load_engines(Path(SUST_SOURCE_DIR) / "engines").value();
}

Result<ServiceSpec> from_toml(const std::string& text) {
    return check_service(TRY(service_from_toml(text, "service.toml")), engines());
}
Result<ServiceSpec> from_json(const std::string& text) {
    return check_service(TRY(service_from_json(nlohmann::json::parse(text))), engines());
}

TEST(Service, ThatSaysOnlyItsNameAndBaseHasTwoReplicas) {
    const auto spec = from_toml("name = 'demo'\nbase = 'tiny'\n");
    ASSERT_TRUE(spec) << core::to_string(spec.error());
    EXPECT_EQ(spec->replicas, 2);
    EXPECT_EQ(spec->engine, "llama-cpp");
    EXPECT_TRUE(spec->adapters.empty());
    EXPECT_EQ(spec->drain_timeout, std::chrono::seconds(60));
}

TEST(Service, IsTheSameInTomlAndJson) {
    const auto toml = from_toml(
        "name = 'demo'\nbase = 'tiny'\nadapters = ['triage', 'team/x']\nreplicas = 3\n"
        "context = 512\nslots = 2\nthreads = 4\ndrain_timeout = '5m'\nengine = 'llama-cpp'\n");
    ASSERT_TRUE(toml) << core::to_string(toml.error());
    const nlohmann::json written = *toml;
    EXPECT_EQ(from_json(written.dump()).value(), *toml);
}

TEST(Service, FaultsNameTheFieldThePlaceAndTheRange) {
    struct Case {
        const char* text;
        std::vector<const char*> says;
    };
    for (const auto& [text, says] : std::vector<Case>{
             {"base = 'tiny'", {"service.toml", "'name' is required"}},
             {"name = 'demo'", {"'base' is required", "sust model ls"}},
             {"name = 'Demo'\nbase = 'tiny'", {"service.toml:1", "service name"}},
             {"name = '../x'\nbase = 'tiny'", {"service name"}},
             {"name = 'd'\nbase = '../tiny'", {"service.toml:2"}},
             {"name = 'd'\nbase = 't'\nreplicas = 33", {"service.toml:3", "between 0 and 32"}},
             {"name = 'd'\nbase = 't'\nreplicas = -1", {"between 0 and 32, not -1"}},
             {"name = 'd'\nbase = 't'\nreplicas = 'two'", {"service.toml:3"}},
             {"name = 'd'\nbase = 't'\ncontext = 1", {"between 128 and 1048576", "tokens"}},
             {"name = 'd'\nbase = 't'\nslots = 0", {"between 1 and 64"}},
             {"name = 'd'\nbase = 't'\nthreads = 1000", {"between 1 and 256"}},
             {"name = 'd'\nbase = 't'\ndrain_timeout = '2h'", {"between 1s and 1h"}},
             {"name = 'd'\nbase = 't'\ndrain_timeout = 60", {"service.toml:3"}},
             {"name = 'd'\nbase = 't'\nengine = 'lama-cpp'", {"llama-cpp", "service.toml:3"}},
             {"name = 'd'\nbase = 't'\nadapters = ['a', 'a']", {"'a' is named twice"}},
             {"name = 'd'\nbase = 't'\nadapters = ['t']", {"'t' is named twice"}},
             {"name = 'd'\nbase = 't'\nadapter = ['a']", {"adapters"}},
             {"name = 'd'\nbase = 't'\n[scale]\nmax = 3", {"scale"}},
             {"name = ", {"service.toml:1"}},
         }) {
        const auto spec = from_toml(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_EQ(spec.error().fault, core::Fault::invalid);
        for (const auto* part : says) {
            EXPECT_THAT(core::to_string(spec.error()), HasSubstr(part)) << text;
        }
    }
}

TEST(Service, FaultsInJsonNameTheKey) {
    struct Case {
        const char* text;
        const char* says;
    };
    for (const auto& [text, says] : {
             Case{"[]", "JSON object"},
             Case{R"({"name":1})", "/name"},
             Case{R"({"name":"d","base":"t","replicas":2.5})", "'replicas' must be an integer"},
             Case{R"({"name":"d","base":"t","replicas":18446744073709551615})", "/replicas"},
             Case{R"({"name":"d","base":"t","adapters":"a"})", "a list of texts"},
             Case{R"({"name":"d","base":"t","adapters":[1]})", "a list of texts"},
             Case{R"({"name":"d","base":"t","drain_timeout":"soon"})", "/drain_timeout"},
             Case{R"({"name":"d","base":"t","replica":2})", "did you mean 'replicas'?"},
         }) {
        const auto spec = from_json(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_THAT(core::to_string(spec.error()), HasSubstr(says)) << text;
    }
}

TEST(Service, TooManyAdaptersAndAHugeFileAreRefused) {
    std::string many = "name = 'd'\nbase = 't'\nadapters = [";
    for (int i = 0; i < 65; ++i) {
        many += "'a" + std::to_string(i) + "',";
    }
    EXPECT_THAT(core::to_string(from_toml(many + "]").error()), HasSubstr("at most 64 adapters"));
    EXPECT_EQ(service_from_toml(std::string(1 << 20, '#'), "s").error().fault,
              core::Fault::too_large);
}

TEST(Service, TheExampleOfTheDocumentIsValid) {
    const auto document =
        core::read_file(Path(SUST_SOURCE_DIR) / "docs/formats/service.md", 1 << 20).value();
    const auto begin = document.find("```toml\n");
    ASSERT_NE(begin, std::string::npos);
    const auto text = document.substr(begin + 8, document.find("```", begin + 8) - begin - 8);
    const auto spec = from_toml(text);
    EXPECT_TRUE(spec) << core::to_string(spec.error());
}

}  // namespace
}  // namespace sust::fleet
