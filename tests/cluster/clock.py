"""A wall clock that is off, for one program and whoever it starts with the same environment.

A node's wrapper is a static program with an environment of its own, and keeps the true time; so a controller that is
off is to it what a node that is off is to a controller. Monotonic clocks stay.
"""

import subprocess

SOURCE = r"""
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long off(void) {
    const char* said = getenv("CLOCK_OFF_SECONDS");
    return said == NULL ? 0 : atol(said);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
    static int (*real)(clockid_t, struct timespec*);
    if (real == NULL) {
        real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
    }
    const int done = real(clock, now);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += off();
    }
    return done;
}

time_t time(time_t* out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval* now, void* zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
"""


def environment(folder, hours):
    """Variables that put the clock of a program off."""
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", library, source, "-ldl"], check=True,
                   timeout=60)
    return {"LD_PRELOAD": str(library), "CLOCK_OFF_SECONDS": str(hours * 3600)}
