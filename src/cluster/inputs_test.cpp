#include "cluster/inputs.h"

#include <gmock/gmock.h>

#include "cluster/request.h"
#include "cluster/words.h"

namespace sust::cluster {
namespace {

namespace fs = std::filesystem;
using core::Fault;
using core::Path;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

core::Result<JobRequest> read(const std::string& text) {
    return read_request(TRY(core::TomlTable::parse("command = ['true']\n" + text, "job.toml")));
}

std::string input(const std::string& path, const std::string& more = {}) {
    return "[[input]]\nartifact = 'tiny'\npath = '" + path + "'\n" + more;
}
std::string output(const std::string& path, const std::string& name = "made") {
    return "[[output]]\nkind = 'dataset'\nname = '" + name + "'\npath = '" + path + "'\n";
}

TEST(Carried, SaysWhatIsReadAndLeftWithNamesOfTheirOwn) {
    const auto request = read("workdir = '/scratch'\n" + input("in/model") +
                              input("/scratch/other", "name = 'base-1.5'\n") +
                              "[[output]]\nkind = 'adapter'\nname = 'a/b'\npath = '/scratch/out'\n"
                              "base = 'tiny'\nreplace = true\n");
    ASSERT_TRUE(request) << core::to_string(request.error());
    const auto spec = spec_of(*request, {}, {"job"});
    EXPECT_THAT(spec.inputs,
                ElementsAre(Pair("base-1.5", Path("other")), Pair("model", Path("in/model"))));
    EXPECT_THAT(spec.outputs, ElementsAre(Path("out")));
    EXPECT_EQ(input_variable("base-1.5"), "SUST_INPUT_BASE_1_5");
    EXPECT_TRUE(request->carried.outputs.front().replace);
    EXPECT_EQ(request->carried.inputs.front().where, "job.toml:3:1");
}

TEST(Carried, AnAbsoluteInputNeedsAnEnvironmentToBeMountedIn) {
    EXPECT_TRUE(read("environment = 'trainer'\n" + input("/data/model")));
    const auto refused = read(input("/data/model"));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("the job has no environment"));
    EXPECT_EQ(refused.error().where, "job.toml:4:8");
}

struct Wrong {
    std::string text;
    std::string message;
};

TEST(Carried, WhatIsWrongIsRefusedWithItsPlace) {
    const std::string long_path(1025, 'a');
    const std::vector<Wrong> all = {
        {input("../model"), "has a part '..'"},
        {input("a/../../b"), "has a part '..'"},
        {input("./a"), "has a part '.'"},
        {input("a/"), "has a part ''"},
        {input(""), "is missing"},
        {input(long_path), "is no path"},
        {"[[input]]\nartifact = 'tiny'\npath = \"a\\u0007b\"\n", "is no path"},
        {input("a\\b c"), "input name"},
        {input("model", "name = '../x'\n"), "input name"},
        {"environment = 'e'\n" + input("/", "name = 'x'\n"), "nothing is mounted"},
        {"environment = 'e'\n" + input("/a:b", "name = 'x'\n"), "nothing is mounted"},
        {input("a") + input("a", "name = 'b'\n"), "are one place"},
        {input("a") + input("a/b"), "are one place"},
        {input("a") + output("a/data.jsonl"), "are one place"},
        {output("out") + output("out", "other"), "are one place"},
        {input("x/a") + input("y/a"), "two inputs are SUST_INPUT_A"},
        {input("a-b") + input("y/a.b"), "two inputs are SUST_INPUT_A_B"},
        {output("a") + output("b"), "two outputs are named made"},
        {output("/etc/passwd"), "outside the working directory"},
        {"workdir = '/scratch'\n" + output("/scratch/../etc/passwd"), "has a part '..'"},
        {"workdir = '/scratch'\n" + output("/scratches/a"), "outside the working directory"},
        {output("a", "Made It"), "dataset name"},
        {"[[output]]\nkind = 'image'\nname = 'a'\npath = 'a'\n", "no output is a 'image'"},
        {"[[output]]\nkind = 'adapter'\nname = 'a'\npath = 'a'\n", "an adapter has a base"},
        {"[[output]]\nkind = 'model'\nname = 'a'\npath = 'a'\nbase = 'b'\n", "only an adapter"},
        {"[[input]]\npath = 'a'\n", "artifact"},
        {"[[input]]\nartifact = 'sha256:12'\npath = 'a'\n", "name"},
        {"[[input]]\nartifact = 'a'\npath = 'a'\nmode = 'rw'\n", "mode"}};
    for (const auto& wrong : all) {
        const auto done = read(wrong.text);
        ASSERT_FALSE(done) << wrong.text;
        EXPECT_EQ(done.error().fault, Fault::invalid) << wrong.text;
        EXPECT_THAT(core::to_string(done.error()), HasSubstr(wrong.message)) << wrong.text;
        EXPECT_THAT(core::to_string(done.error()), HasSubstr("job.toml:")) << wrong.text;
    }
}

TEST(Carried, TooManyAreTooLarge) {
    std::string text;
    for (int i = 0; i < 65; ++i) {
        text += output("out" + std::to_string(i), "made" + std::to_string(i));
    }
    EXPECT_EQ(read(text).error().fault, Fault::too_large);
}

class InputsTest : public testing::Test {
  protected:
    core::Result<void> place(const std::map<std::string, Path>& inputs,
                             const std::vector<Path>& outputs = {},
                             OtherJobs others = OtherJobs::seen) const {
        return place_inputs(inputs, outputs, job(), work(), others);
    }
    Path job() const { return home_.path() / "job"; }
    Path work() const { return home_.path() / "work"; }
    void SetUp() override {
        ASSERT_TRUE(core::make_directories(job() / k_inputs / "model"));
        ASSERT_TRUE(core::make_directories(work()));
    }
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(fs::temp_directory_path(), "inputs-").value();
};

TEST_F(InputsTest, TheWrapperLinksThemAndTakesOnlyItsOwnLinksAway) {
    const std::map<std::string, Path> inputs{{"model", "in/it"}, {"far", "/far"}};
    ASSERT_TRUE(place(inputs, {"out/deep/data.jsonl"}));
    ASSERT_TRUE(place(inputs, {"out/deep/data.jsonl"})) << "twice is fine";
    EXPECT_EQ(fs::read_symlink(work() / "in/it"), job() / "inputs/model");
    EXPECT_TRUE(fs::is_directory(work() / "out/deep"));
    core::Environment told;
    tell_inputs(told, inputs, job());
    EXPECT_THAT(told, ElementsAre(Pair("SUST_INPUT_FAR", "/far"),
                                  Pair("SUST_INPUT_MODEL", (job() / "inputs/model").string())));
    remove_links(inputs, home_.path() / "another job", work());
    EXPECT_TRUE(fs::is_symlink(work() / "in/it"));
    remove_links(inputs, job(), work());
    EXPECT_FALSE(fs::is_symlink(work() / "in/it"));
}

TEST_F(InputsTest, WhatIsThereStaysUnlessItLeadsNowhere) {
    fs::create_symlink(home_.path() / "gone/inputs/model", work() / "model");
    ASSERT_TRUE(place({{"model", "model"}})) << "a link that an ended job has left";
    EXPECT_EQ(fs::read_symlink(work() / "model"), job() / "inputs/model");
    ASSERT_TRUE(core::write_file(work() / "mine", "precious"));
    const auto refused = place({{"model", "mine"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::conflict);
    EXPECT_EQ(core::read_file(work() / "mine", 100).value(), "precious");
}

TEST_F(InputsTest, WhereOtherJobsAreNotSeenTheirLinksStay) {
    const Path other = "/sust/jobs/other/inputs/model";
    fs::create_symlink(other, work() / "model");
    const auto refused = place({{"model", "model"}}, {}, OtherJobs::unseen);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::conflict);
    EXPECT_THAT(refused.error().message, HasSubstr("job other has its own there"));
    EXPECT_EQ(fs::read_symlink(work() / "model"), other);
    remove_links({{"model", "model"}}, "/where/it/is/seen/here/other", work());
    EXPECT_TRUE(place({{"model", "model"}}, {}, OtherJobs::unseen));
}

TEST_F(InputsTest, JobJsonCarriesThemToTheNode) {
    JobWord word{.spec = {.token = {"job"}, .name = "n", .argv = {"true"}}};
    word.spec.inputs = {{"model", "in/it"}};
    word.spec.outputs = {"out"};
    ASSERT_TRUE(core::write_file(job() / "job.json", job_text(word)));
    const auto found = read_job({job()}).value();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->spec.inputs, word.spec.inputs);
    EXPECT_EQ(found->spec.outputs, word.spec.outputs);
    word.spec.outputs = {"../out"};
    ASSERT_TRUE(core::write_file(job() / "job.json", job_text(word)));
    EXPECT_EQ(read_job({job()}).error().fault, Fault::invalid);
}

}  // namespace
}  // namespace sust::cluster
