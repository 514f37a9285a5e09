// Jobs of other users of this machine, with real processes; only root may have them.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/test_jobs.h"

namespace sust::cluster {
namespace {

using core::Fault;
using testing::HasSubstr;

class LocalPrincipals : public LocalJobs {
  protected:
    LocalPrincipals() {
        options_.settings.principals = {
            {.name = "ann",
             .identity = {.uid = 21234, .gid = 21235, .groups = {21236}},
             .home = "/"},
            {.name = "bob", .identity = {.uid = 21334, .gid = 21335, .groups = {}}, .home = "/"}};
        options_.settings.jobs = temporary_.path() / "spool";
        ::chmod(temporary_.path().c_str(), 0711);
    }
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "only root runs jobs as others";
        }
        open();
    }
    static JobSpec as(const std::string& principal, JobSpec spec) {
        spec.principal = principal;
        return spec;
    }
    struct stat look_at(const Path& path) {
        struct stat info {};
        EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
        return info;
    }
};

TEST_F(LocalPrincipals, RunAsThemselvesAndOwnTheirJobs) {
    ASSERT_TRUE(local_->submit(as("ann", shell("one", "id -u; id -g; id -G; echo $USER; pwd"))));
    ASSERT_TRUE(local_->submit(shell("own", "id -u")));
    ASSERT_TRUE(ends("one", End::completed));
    ASSERT_TRUE(ends("own", End::completed));
    const auto directory = options_.settings.jobs / "one";
    EXPECT_EQ(log("one"), "21234\n21235\n21235 21236\nann\n" + (directory / "1").string() + "\n");
    EXPECT_EQ(log("own"), "0\n");
    EXPECT_EQ(look_at(options_.book.jobs / "own").st_uid, 0U);
    EXPECT_EQ(look_at(directory).st_mode & 0777U, 0700U) << "other principals may not look";
    for (const auto* name : {"", "job.json", "fence.json", "1", "1/exit.json", "1/stdout"}) {
        EXPECT_EQ(look_at(directory / name).st_uid, 21234U) << name;
        EXPECT_EQ(look_at(directory / name).st_gid, 21235U) << name;
    }
}

TEST_F(LocalPrincipals, AreFoundAgainStoppedAndTriedAgain) {
    auto spec = as("ann", shell("one", "test $SUST_JOB_EPOCH = 2 && exit 0; sleep 1000"));
    spec.shape.cpus_per_task = 1;
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(reaches("one", State::running));
    options_.settings.principals.clear();  // who is not named any more keeps what it has
    reopen();
    ASSERT_TRUE(reaches("one", State::running));
    ASSERT_TRUE(local_->cancel({"one"}));
    ASSERT_TRUE(ends("one", End::cancelled));
    ASSERT_EQ(local_->resubmit({"one"}, {}).value(), 2);
    ASSERT_TRUE(ends("one", End::completed));
    EXPECT_EQ(look_at(options_.settings.jobs / "one/2/exit.json").st_uid, 21234U);
    ASSERT_TRUE(local_->forget({"one"}));
    EXPECT_FALSE(core::path_exists(options_.settings.jobs / "one"));
}

TEST_F(LocalPrincipals, LeadRootNowhereByALink) {
    const auto secret = temporary_.path() / "secret";
    ASSERT_TRUE(core::write_file(secret, "root's", 0640));
    const auto script = fmt::format("rm stdout; ln -s {} stdout; ln -s {} cancel; echo x",
                                    secret.string(), (temporary_.path() / "made").string());
    ASSERT_TRUE(local_->submit(as("ann", shell("sly", script))));
    ASSERT_TRUE(until([&] { return is_final(status("sly").state); }));
    const auto read = local_->logs({"sly"}, Stream::out, 0, 100);
    EXPECT_TRUE(!read || read->bytes.empty());
    EXPECT_EQ(core::read_file(secret, 100).value(), "root's");
    EXPECT_FALSE(core::path_exists(temporary_.path() / "made"));
}

TEST_F(LocalPrincipals, AreThoseThatAreListedAlone) {
    for (const auto* name : {"eve", "root", "21234"}) {
        const auto refused = local_->submit(as(name, shell("no", "true")));
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().fault, Fault::denied);
        EXPECT_EQ(refused.error().where, "principal");
        EXPECT_THAT(refused.error().hint, HasSubstr("principals = "));
    }
    EXPECT_TRUE(all_jobs().empty());
    EXPECT_TRUE(local_->capabilities().contains(Capability::principals));
    options_.settings.principals.clear();
    reopen();
    EXPECT_FALSE(local_->capabilities().contains(Capability::principals));
    EXPECT_EQ(local_->submit(as("ann", shell("no", "true"))).error().fault, Fault::denied);
}

TEST_F(LocalPrincipals, NeedAPlaceThatTheyMayEnter) {
    const auto principals_line = [&] {
        CheckLine found;
        local_->check([&](Result<std::vector<CheckLine>> lines) {
            for (const auto& line : *lines) {
                found = line.what == "principals" ? line : found;
            }
        });
        return found;
    };
    EXPECT_EQ(principals_line().outcome, CheckLine::Outcome::good) << principals_line().hint;
    ::chmod(temporary_.path().c_str(), 0700);
    EXPECT_EQ(principals_line().outcome, CheckLine::Outcome::bad);
    EXPECT_THAT(principals_line().hint, HasSubstr("o+x"));
    local_.reset();
    options_.settings.jobs = temporary_.path() / "elsewhere";
    const auto opened = open_local(options_, clock_, core::Log::silent());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, Fault::conflict);
    options_.settings.jobs = temporary_.path() / "spool";
    open();
}

}  // namespace
}  // namespace sust::cluster
