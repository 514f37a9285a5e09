#include "core/settings.h"

#include <array>

#include <gtest/gtest.h>

namespace sust::core {
namespace {

constexpr std::array k_specs{
    SettingSpec{"gateway.listen", SettingKind::text, "127.0.0.1:8080", "where clients connect"},
    SettingSpec{"gateway.threads", SettingKind::integer, "0", "0: one per core"},
    SettingSpec{"log.file_size", SettingKind::size, "16MiB", "rotated at this size"},
};

class SettingsFiles : public testing::Test {
  protected:
    TemporaryDirectory directory_ = TemporaryDirectory::create(testing::TempDir(), "set-").value();
    Path system_ = directory_.path() / "system.toml";
    Path user_ = directory_.path() / "user.toml";

    Result<Settings> load(const Environment& environment = {},
                          const std::map<std::string, std::string>& overrides = {}) {
        const std::array files{system_, user_};
        return Settings::load(k_specs, environment, files, overrides);
    }
};

TEST_F(SettingsFiles, TheStrongerSourceWinsAndIsNamed) {
    ASSERT_TRUE(write_file(system_, "[gateway]\nlisten = \"127.0.0.1:1\"\nthreads = 1\n"));
    ASSERT_TRUE(write_file(user_, "[gateway]\nthreads = 2\n"));
    const auto settings =
        load({{"SUST_LOG_FILE_SIZE", "1MiB"}}, {{"gateway.listen", "127.0.0.1:9"}}).value();
    EXPECT_EQ(settings.text("gateway.listen"), "127.0.0.1:9");
    EXPECT_EQ(settings.all()[0].source, "command line");
    EXPECT_EQ(settings.integer("gateway.threads"), 2);
    EXPECT_EQ(settings.all()[1].source, user_.string() + ":2:11");
    EXPECT_EQ(settings.size("log.file_size"), 1U << 20);
    EXPECT_EQ(settings.all()[2].source, "SUST_LOG_FILE_SIZE");
}

TEST_F(SettingsFiles, WithoutFilesEverythingIsDefault) {
    const auto settings = load().value();
    EXPECT_EQ(settings.all()[0].source, "default");
}

TEST_F(SettingsFiles, AnUnknownKeyOrBadValueIsRefusedWithItsPlace) {
    ASSERT_TRUE(write_file(user_, "[gateway]\nlisen = \"x\"\n"));
    EXPECT_EQ(load().error().hint, "did you mean 'listen'?");
    ASSERT_TRUE(write_file(user_, "[log]\nfile_size = \"big\"\n"));
    EXPECT_EQ(load().error().where, user_.string() + ":2:13");
    ASSERT_TRUE(write_file(user_, ""));
    EXPECT_EQ(load({{"SUST_GATEWAY_THREADS", "many"}}).error().where, "SUST_GATEWAY_THREADS");
}

}  // namespace
}  // namespace sust::core
