#include "cluster/pod_carrier.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cluster/fence.h"

namespace sust::cluster {
namespace {

class PodCarrierTest : public ::testing::Test {
  protected:
    Path path() const { return folder_->path(); }
    void write(const std::string& name, std::string_view text) const {
        ASSERT_TRUE(core::make_directories((path() / name).parent_path()));
        ASSERT_TRUE(core::write_file(path() / name, text));
    }

    core::Result<core::TemporaryDirectory> folder_ =
        core::TemporaryDirectory::create("/tmp", "pod");
    core::SystemClock clock_;
    PodCarrier carrier_{path(), path() / "message"};
    JobFiles files_{path() / "jobs/j"};
};

TEST_F(PodCarrierTest, TheDirectoryIsMadeOfWhatThePodBrings) {
    EXPECT_FALSE(carrier_.unpack(files_.path, 3, clock_)) << "no job.json was brought";
    write("job/job.json", job_text({.spec = {.token = {"j"}, .argv = {"true"}}}));
    ASSERT_TRUE(carrier_.unpack(files_.path, 3, clock_));
    EXPECT_EQ(*read_fence(files_.path), 3);
    EXPECT_EQ((*read_job(files_))->spec.argv.front(), "true");
    EXPECT_TRUE(carrier_.unpack(files_.path, 3, clock_)) << "it is there already";
}

TEST_F(PodCarrierTest, AWishIsOneOnceItsFileHasText) {
    const auto attempt = files_.attempt(1);
    ASSERT_TRUE(core::make_directories(attempt.path));
    carrier_.bring_cancel(attempt);
    write("wishes/cancel", "");
    write("wishes/head", "");
    carrier_.bring_cancel(attempt);
    EXPECT_FALSE(core::path_exists(attempt.cancel()));
    EXPECT_EQ(carrier_.head(), "");
    write("wishes/cancel", "yes");
    write("wishes/head", "10.0.0.1\n");
    carrier_.bring_cancel(attempt);
    EXPECT_TRUE(core::path_exists(attempt.cancel()));
    EXPECT_EQ(carrier_.head(), "10.0.0.1");
}

TEST_F(PodCarrierTest, TheLastWordFitsTheTerminationMessageAndIsReadThere) {
    const ExitWord word{.token = {"j"},
                        .epoch = 2,
                        .status = 7,
                        .detail = std::string(10'000, 'x'),
                        .started = clock_.wall(),
                        .finished = clock_.wall()};
    EXPECT_FALSE(carrier_.hand_over(word)) << "the kubelet makes the file";
    write("message", "");
    ASSERT_TRUE(carrier_.hand_over(word));
    const auto text = core::read_file(path() / "message", k_word_bytes_max);
    ASSERT_TRUE(text) << "longer than 4 KiB";
    EXPECT_EQ(parse_exit(*text, {"j"}, 2)->status, 7);
    EXPECT_FALSE(parse_exit(*text, {"j"}, 1));
    EXPECT_FALSE(parse_exit(*text, {"other"}, 2));
}

// In a process of its own, because it takes the signals of its process.
TEST_F(PodCarrierTest, AContainerThatIsStartedAgainSaysItsWordAgainAndWaitsToBeTold) {
    const auto attempt = files_.attempt(1);
    const ExitWord word{.token = {"j"},
                        .epoch = 1,
                        .status = 7,
                        .started = clock_.wall(),
                        .finished = clock_.wall()};
    ASSERT_TRUE(core::make_directories(attempt.path));
    ASSERT_TRUE(core::write_file(attempt.exit(), exit_text(word), 0600));
    write("message", "");
    const auto stay = [&](bool cancelled) {
        auto signals = SignalSource::open();
        if (cancelled) {
            write("wishes/cancel", "yes");
        } else {
            ::raise(SIGTERM);
        }
        std::_Exit(*carrier_.stay(attempt, {"j"}, 1, *signals));
    };
    EXPECT_EXIT(stay(false), testing::ExitedWithCode(7), "");
    const auto said = core::read_file(path() / "message", 4096);
    ASSERT_TRUE(said);
    EXPECT_EQ(parse_exit(*said, {"j"}, 1)->status, 7);
    EXPECT_EXIT(stay(true), testing::ExitedWithCode(7), "");
    ASSERT_TRUE(core::write_file(attempt.exit(), "", 0600));
    std::filesystem::remove(attempt.exit());
    EXPECT_EXIT(stay(false), testing::ExitedWithCode(125), "") << "it was killed the first time";
}

TEST_F(PodCarrierTest, TheProgramThatBringsItselfCanBeExecuted) {
    ASSERT_TRUE(bring_agent(path()));
    struct stat info {};
    ASSERT_EQ(::stat((path() / "bin/sust-agent").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0755U);
}

}  // namespace
}  // namespace sust::cluster
