// Jobs of other users of this machine, with real processes; only root may have them.

#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/share_word.h"
#include "cluster/test_jobs.h"

namespace sust::cluster {
namespace {

using core::Fault;
using testing::HasSubstr;

const Principals k_listed({{.identity = {"ann", 21234, 21235, {21236}}, .home = "/"},
                           {.identity = {"bob", 21334, 21335, {}}, .home = "/"}});

class LocalPrincipals : public LocalJobs {
  protected:
    LocalPrincipals() {
        options_.settings.principals = k_listed;
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
    ASSERT_TRUE(
        local_->submit(as("ann", shell("one", "test $SUST_JOB_EPOCH = 2 && exit 0; sleep 1000"))));
    ASSERT_TRUE(reaches("one", State::running));
    options_.settings.principals = {};
    reopen();
    ASSERT_TRUE(reaches("one", State::running)) << "who is taken off the list keeps what runs";
    ASSERT_TRUE(local_->cancel({"one"}));
    ASSERT_TRUE(ends("one", End::cancelled));
    const auto refused = local_->resubmit({"one"}, {});
    ASSERT_FALSE(refused) << "and starts nothing";
    EXPECT_EQ(refused.error().fault, Fault::denied);
    EXPECT_THAT(refused.error().hint, HasSubstr("list it again"));
    options_.settings.principals = k_listed;
    reopen();
    ASSERT_EQ(local_->resubmit({"one"}, {}).value(), 2);
    ASSERT_TRUE(ends("one", End::completed));
    EXPECT_EQ(look_at(options_.settings.jobs / "one/2/exit.json").st_uid, 21234U);
    ASSERT_TRUE(local_->forget({"one"}));
    EXPECT_FALSE(core::path_exists(options_.settings.jobs / "one"));
}

TEST_F(LocalPrincipals, LeadRootNowhereByALink) {
    const auto secret = temporary_.path() / "secret";
    ASSERT_TRUE(core::write_file(secret, "root's", 0640));
    const auto script = fmt::format(
        "trap '' TERM; rm stdout; ln -s {} stdout; ln -s {} cancel; echo x; "
        "while :; do sleep 0.05; done",
        secret.string(), (temporary_.path() / "made").string());
    auto spec = as("ann", shell("sly", script));
    spec.stop_grace = std::chrono::seconds(2);
    ASSERT_TRUE(local_->submit(spec));
    ASSERT_TRUE(until([&] { return core::path_exists(files("sly").cancel()); }));
    ASSERT_FALSE(is_final(status("sly").state));
    const auto cancelled = local_->cancel({"sly"});
    EXPECT_TRUE(cancelled) << core::to_string(cancelled.error());
    ASSERT_TRUE(ends("sly", End::cancelled));
    const auto read = local_->logs({"sly"}, Stream::out, 0, 100);
    EXPECT_TRUE(!read || read->bytes.empty());
    EXPECT_EQ(core::read_file(secret, 100).value(), "root's");
    EXPECT_FALSE(core::path_exists(temporary_.path() / "made"));
}

TEST_F(LocalPrincipals, LetRootWaitForNoPipe) {
    const auto node = local_->nodes().value().front().name;
    ASSERT_TRUE(hold(node, "a moment"));
    ASSERT_TRUE(local_->submit(as("ann", shell("piped", "echo done"))));
    const auto pipe = files("piped").wrapper_log();
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
    ASSERT_TRUE(release(node));
    ASSERT_TRUE(until([&] {
        return status("piped").reason.find("wrapper.log") != std::string::npos;
    })) << status("piped").reason;
    ASSERT_EQ(::unlink(pipe.c_str()), 0);
    ASSERT_TRUE(ends("piped", End::completed));
}

TEST_F(LocalPrincipals, HaveNoProcessOfOthersEndedByALie) {
    auto stranger = core::Child::spawn({.argv = {"sleep", "1000"}, .new_session = true}).value();
    const auto lie = core::identify(stranger.pid()).value();
    ASSERT_TRUE(local_->submit(as("ann", shell("asked", "sleep 1000"))));
    ASSERT_TRUE(local_->submit(as("ann", shell("killed", "sleep 1000"))));
    ASSERT_TRUE(reaches("asked", State::running));
    ASSERT_TRUE(reaches("killed", State::running));
    const auto wrapper = attempt("killed").wrapper;
    auto word = attempt("asked");
    word.wrapper = lie;
    ASSERT_TRUE(core::write_file(files("asked").attempt(), attempt_text(word)));
    word = attempt("killed");
    word.child = lie;
    ASSERT_TRUE(core::write_file(files("killed").attempt(), attempt_text(word)));
    reopen();
    ASSERT_TRUE(reaches("asked", State::running));
    ASSERT_TRUE(local_->cancel({"asked"}));
    ASSERT_TRUE(core::send_signal(wrapper, SIGKILL).value());
    ASSERT_TRUE(ends("killed", End::vanished));
    ASSERT_TRUE(wait_for_file(files("asked").exit())) << "its wrapper sees the wish by itself";
    EXPECT_TRUE(core::alive(lie));
    ASSERT_TRUE(stranger.signal(SIGKILL));
    ASSERT_TRUE(stranger.wait(core::Deadline(clock_, std::chrono::seconds(60))).value());
    ASSERT_TRUE(ends("asked", End::cancelled));
}

TEST_F(LocalPrincipals, TakeNothingFromOthersByALie) {
    local_.reset();
    options_.settings.gpus = 2;
    open();
    const auto with_gpu = [](JobSpec spec) {
        spec.shape.gpus.count = 1;
        return spec;
    };
    ASSERT_TRUE(local_->submit(with_gpu(as("ann", shell("sly", "sleep 1000")))));
    ASSERT_TRUE(reaches("sly", State::running));
    const auto had = read_share(files("sly").share()).value().value();
    ASSERT_EQ(had.gpus.size(), 1U);
    ASSERT_TRUE(core::write_file(files("sly").share(), "no share"));
    reopen();
    ASSERT_TRUE(local_->submit(with_gpu(as("bob", shell("second", "sleep 1000")))));
    ASSERT_TRUE(reaches("second", State::running)) << "nothing of others is in doubt";
    EXPECT_NE(read_share(files("second").share()).value().value().gpus, had.gpus);
    ASSERT_TRUE(local_->submit(with_gpu(shell("third", "true"))));
    ASSERT_TRUE(reaches("third", State::queued));
    ASSERT_TRUE(local_->cancel({"sly"}));
    ASSERT_TRUE(ends("sly", End::cancelled));
    ASSERT_TRUE(ends("third", End::completed)) << "it was given back";
}

TEST_F(LocalPrincipals, AreInLineAsTheyWereSubmitted) {
    local_.reset();
    options_.settings.gpus = 1;
    open();
    const auto with_gpu = [](JobSpec spec) {
        spec.shape.gpus.count = 1;
        return spec;
    };
    ASSERT_TRUE(local_->submit(with_gpu(shell("first", "sleep 1000"))));
    ASSERT_TRUE(reaches("first", State::running));
    auto patient = with_gpu(as("bob", shell("patient", "sleep 1000")));
    ASSERT_TRUE(local_->submit(patient));
    auto sly = with_gpu(as("ann", shell("sly", "sleep 1000")));
    ASSERT_TRUE(local_->submit(sly));
    ASSERT_TRUE(reaches("sly", State::queued));
    auto word = read_job({options_.settings.jobs / "sly"}).value().value();
    word.spec.priority = 1000;
    ASSERT_TRUE(core::write_file(options_.settings.jobs / "sly/job.json", job_text(word)));
    reopen();
    ASSERT_TRUE(local_->cancel({"first"}));
    ASSERT_TRUE(reaches("patient", State::running));
    EXPECT_EQ(status("sly").state, State::queued);
}

TEST_F(LocalPrincipals, KeepNothingBeyondTheirTime) {
    local_.reset();
    options_.settings.gpus = 1;
    options_.overdue = Duration::zero();
    open();
    auto sly = as("ann", shell("sly", "sleep 1000"));
    sly.shape.gpus.count = 1;
    sly.time_limit = sly.stop_grace = std::chrono::seconds(1);
    ASSERT_TRUE(local_->submit(sly));
    ASSERT_TRUE(reaches("sly", State::running));
    const auto wrapper = attempt("sly").wrapper;
    ASSERT_TRUE(core::send_signal(wrapper, SIGSTOP).value());
    auto second = as("bob", shell("second", "true"));
    second.shape.gpus.count = 1;
    ASSERT_TRUE(local_->submit(second));
    ASSERT_TRUE(ends("sly", End::time_limit));
    EXPECT_FALSE(core::alive(wrapper));
    ASSERT_TRUE(ends("second", End::completed));
}

TEST_F(LocalPrincipals, HoldUpNobodyByTheirFence) {
    ASSERT_TRUE(local_->submit(as("ann", shell("sly", "exit 1"))));
    ASSERT_TRUE(ends("sly", End::failed));
    {
        const auto held =
            core::FileLock::try_acquire(options_.settings.jobs / "sly/fence.lock").value();
        ASSERT_TRUE(held);
        const auto refused = local_->resubmit({"sly"}, {});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().fault, Fault::timeout) << "it is tried again later";
    }
    ASSERT_EQ(local_->resubmit({"sly"}, {}).value(), 2);
    ASSERT_TRUE(ends("sly", End::failed));
}

TEST_F(LocalPrincipals, AreThoseThatAreListedAlone) {
    for (const auto* name : {"eve", "root", "21234"}) {
        const auto refused = local_->submit(as(name, shell("no", "true")));
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().fault, Fault::denied);
        EXPECT_EQ(refused.error().where, "principal");
        EXPECT_THAT(refused.error().hint, HasSubstr("ann, bob: `principals` in backends.toml"));
    }
    EXPECT_TRUE(all_jobs().empty());
    EXPECT_TRUE(local_->capabilities().contains(Capability::principals));
    options_.settings.principals = {};
    reopen();
    EXPECT_FALSE(local_->capabilities().contains(Capability::principals));
    const auto refused = local_->submit(as("ann", shell("no", "true")));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().hint, HasSubstr("[local] principals"));
}

TEST_F(LocalPrincipals, NeedAPlaceThatTheyMayEnter) {
    const auto line = [&] {
        CheckLine found;
        local_->check([&](Result<std::vector<CheckLine>> lines) {
            for (const auto& one : *lines) {
                found = one.what == "principal ann" ? one : found;
            }
        });
        return found;
    };
    EXPECT_EQ(line().outcome, CheckLine::Outcome::good) << line().hint;
    ASSERT_EQ(::chmod(temporary_.path().c_str(), 0700), 0);
    EXPECT_EQ(line().outcome, CheckLine::Outcome::bad);
    EXPECT_THAT(line().hint, HasSubstr("o+x"));
}

TEST_F(LocalPrincipals, HaveTheirJobsInAFolderThatIsRoots) {
    local_.reset();
    const auto refusal = [&] {
        const auto opened = open_local(options_, clock_, core::Log::silent());
        return opened ? core::Error{} : opened.error();
    };
    options_.settings.jobs = temporary_.path() / "elsewhere";
    EXPECT_EQ(refusal().fault, Fault::conflict);
    EXPECT_THAT(refusal().hint, HasSubstr("ln -s"));
    options_.settings.jobs = temporary_.path() / "spool";
    ASSERT_EQ(::chown(options_.settings.jobs.c_str(), 21234, 21235), 0);
    EXPECT_EQ(refusal().fault, Fault::denied);
    EXPECT_THAT(refusal().message, HasSubstr("21234"));
    ASSERT_EQ(::chown(options_.settings.jobs.c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod(options_.settings.jobs.c_str(), 01777), 0);
    open();
    EXPECT_EQ(look_at(options_.settings.jobs).st_mode & 07777U, k_passage_mode);
}

}  // namespace
}  // namespace sust::cluster
