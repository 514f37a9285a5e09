// sust: the command line. Reads the environment once, finds the verb, runs it, prints its error.

#include <iostream>

#include <signal.h>

#include "apps/common/process_environment.h"
#include "apps/sust/parse.h"
#include "apps/sust/print.h"

namespace {

using namespace sust;

constexpr std::string_view k_version = SUST_VERSION;

core::Result<int> answer(const std::vector<std::string>& words, cli::Context& context) {
    const auto parsed = TRY(cli::parse_command_line(words, k_version));
    if (parsed.verb == nullptr) {
        std::cout << parsed.text;
        return 0;
    }
    TRY(cli::take_global(context, parsed.global));
    return parsed.verb->run(context, parsed.arguments);
}

int run(const std::vector<std::string>& words) {
    const auto call = cli::take_apart(words);
    cli::Context context;
    context.environment = apps::process_environment();
    context.version = k_version;
    context.json = call.json;
    const auto status = [&]() -> core::Result<int> {
        try {
            return answer(words, context);
        } catch (const std::exception& error) {
            return core::fail(core::Fault::internal, "internal error: " + std::string(error.what()),
                              {.hint = "this is a defect of sust; please report it"});
        }
    }();
    if (!status) {
        cli::print_error(context, status.error());
        return cli::exit_status(call.verb, status.error());
    }
    return *status;
}

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    return run(std::vector<std::string>(argv + 1, argv + argc));
}
