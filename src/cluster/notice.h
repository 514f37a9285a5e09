#pragma once

// The notice before a time limit: SIGUSR1, which ends whoever does not expect it, so it goes only
// to those who do.

#include <sys/types.h>

namespace sust::cluster {

// SIGUSR1 to every descendant of `ancestor` that catches it, or holds it back to read it otherwise
// (sigwait, signalfd). Who has neither never hears. Takes 40 ms, so that what only passes is not
// taken for listening.
void give_notice(pid_t ancestor);

}  // namespace sust::cluster
